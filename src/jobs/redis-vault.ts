import type { Cluster, Redis } from 'ioredis';
import { EmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { BullCrew } from './bull-crew.ts';
import { openTextFolder } from './disk-vault.ts';
import { RedisBlobs } from './redis-blobs.ts';
import { type JobsConnection, RedisRecords } from './redis-records.ts';
import type { Crew, Vault } from './vault.ts';

export interface RedisVaultOptions {
  /** Connects for records and blobs. Commands fail while Redis is away. */
  connect(): JobsConnection;
  /** Connects for BullMQ, whose commands wait for ever. */
  connectPatiently(): JobsConnection;
  /** Encrypts texts in Redis; without it they stay in `cacheDir`. */
  secret: string | undefined;
  cacheDir: string | undefined;
  /** Milliseconds that results and files are kept. */
  keepMs: number;
  log: Log;
}

/** Milliseconds that Redis may take to answer for the first time. */
const firstAnswerMs = 5_000;

/**
 * Keeps jobs in Redis, and runs them with BullMQ over all replicas.
 * @returns undefined while another process has the folder of the texts. @throws EmbedQLError where this Redis cannot have jobs
 */
export async function openRedisVault(
  options: RedisVaultOptions,
): Promise<{ vault: Vault; crew: Crew } | undefined> {
  const { secret, cacheDir, keepMs, log } = options;
  const connection = options.connect();
  const patient = options.connectPatiently();
  const closeConnections = () => {
    connection.close();
    patient.close();
  };
  try {
    requireNoEviction(await policyOf(await settled(connection)));
    const folder = secret === undefined ? await openTextFolder(cacheDir!) : undefined;
    if (secret === undefined && !folder) {
      closeConnections();
      return undefined;
    }
    const records = new RedisRecords(connection, keepMs);
    const encrypted = new RedisBlobs(connection, secret, keepMs);
    await encrypted.requireSameSecret();
    const vault: Vault = {
      records,
      texts: folder?.texts ?? encrypted,
      results: new RedisBlobs(connection, undefined, keepMs),
      home: folder?.home,
      async close() {
        closeConnections();
        await folder?.close();
      },
    };
    try {
      const shared = {
        connection: await settled(patient),
        records,
        home: vault.home,
        log,
        mayRun: () => encrypted.requireSameSecret(),
      };
      return { vault, crew: await BullCrew.create(shared) };
    } catch (error) {
      await folder?.close();
      throw error;
    }
  } catch (error) {
    closeConnections();
    throw error;
  }
}

/** The connection, once it answers and is the right one: what turns out to be a node of a cluster is replaced. */
async function settled(connection: JobsConnection): Promise<Redis | Cluster> {
  const until = Date.now() + firstAnswerMs;
  let last: unknown = new Error('Redis does not answer');
  while (Date.now() < until) {
    const { client } = connection;
    try {
      await Promise.race([
        'nodes' in client ? client.exists('embed:ping') : client.mget('embed:ping:1', 'embed:ping:2'),
        pause(firstAnswerMs).then(() => Promise.reject(last)),
      ]);
      if (connection.client === client) return client;
    } catch (error) {
      last = error;
    }
    await pause(50);
  }
  throw last;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

async function policyOf(client: Redis | Cluster): Promise<string | undefined> {
  const node = 'nodes' in client ? client.nodes('master')[0] : client;
  const info = await node?.info('memory').catch(() => '');
  return /^maxmemory_policy:(\S+)/m.exec(info ?? '')?.[1];
}

/** @throws EmbedQLError where Redis may let go of what is kept there */
function requireNoEviction(policy: string | undefined): void {
  if (policy === 'noeviction') return;
  throw new EmbedQLError(
    'BAD_USER_INPUT',
    policy === undefined
      ? 'Redis does not tell its maxmemory-policy, and jobs must not be lost: let its user run INFO, or set EMBEDQL_STATE_REDIS_URL to another one.'
      : `Redis may evict jobs (maxmemory-policy ${policy}): set it to noeviction, or EMBEDQL_STATE_REDIS_URL to another one.`,
  );
}
