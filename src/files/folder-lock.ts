import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the holder of a folder says to a process that asks it something. */
export type AnswerRequest = (request: string) => Promise<string>;

/** That this process, and no other, may write to a folder. */
export interface FolderLock {
  release(): Promise<void>;
}

interface Door {
  holds: boolean;
  readonly callers: Set<Socket>;
}

const lockName = /^lock-[0-9a-f]{16}$/;
const unfinishedName = /^lock-[0-9a-f]{16}\.new$/;

/** Bytes that the address of a socket may have, on every system that we run on. */
const maxAddressBytes = 100;

/** Milliseconds that a process may take to say who it is; one that is stopped still holds what it holds. */
const greetingMs = 500;
const longestRequest = 65_536;

/**
 * Takes a folder for this process, until it releases it or is gone, however it goes: the lock is a Unix socket in the folder
 * that its holder listens on, so that the system itself says whether the holder lives. Processes of several containers that
 * share the folder see each other; those of several machines do not.
 *
 * A socket gets its name after it listens. So whoever is asked for by name and refuses is dead for good, and may be swept
 * away; and of two that ask at once the later to look sees the other.
 * @param answer what to say to those who `askHolder`
 * @returns undefined while another process has it. @throws Error of the system, such as EACCES, EROFS
 */
export async function lockFolder(folder: string, answer: AnswerRequest): Promise<FolderLock | undefined> {
  const name = `lock-${randomBytes(8).toString('hex')}`;
  const door: Door = { holds: false, callers: new Set() };
  const directory = await open(folder, 'r');
  try {
    const server = await listen(address(folder, `${name}.new`, directory), door, answer);
    const leave = async () => {
      await unlink(path.join(folder, name)).catch(() => {});
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Nobody is waited for: nothing here keeps a process alive, and one with nothing else to do would end in the wait.
      for (const socket of door.callers) socket.destroy();
      await closed;
    };
    try {
      await rename(path.join(folder, `${name}.new`), path.join(folder, name));
      if (await isFirst(folder, name, directory)) {
        door.holds = true;
        return { release: leave };
      }
    } catch (error) {
      await leave();
      throw error;
    }
    await leave();
    return undefined;
  } finally {
    await directory.close();
  }
}

/** Whether nobody holds the folder and nobody else comes before us; sweeps away the locks of the dead. */
async function isFirst(folder: string, own: string, directory: FileHandle): Promise<boolean> {
  for (;;) {
    const others = (await readdir(folder)).filter((name) => lockName.test(name) && name !== own);
    let waits = false;
    for (const other of others) {
      const state = await greet(address(folder, other, directory));
      if (state === 'dead') await unlink(path.join(folder, other)).catch(() => {});
      else if (state === 'holds' || other < own) {
        return false;
      } else waits = true;
    }
    if (!waits) return true;
    // It sees us, and gives way.
    await sleep(20);
  }
}

/**
 * Asks the process that holds a folder.
 * @returns its answer; undefined where nobody holds it. @throws Error where the holder does not answer
 */
export async function askHolder(
  folder: string,
  request: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const directory = await open(folder, 'r').catch(() => undefined);
  if (!directory) return undefined;
  try {
    for (const name of (await readdir(folder)).filter((found) => lockName.test(found))) {
      const at = address(folder, name, directory);
      if ((await greet(at)) !== 'holds') continue;
      const answer = await exchange(at, request, timeoutMs);
      const body = answer?.slice(answer.indexOf('\n') + 1);
      if (body?.endsWith('\n')) return body.slice(0, -1);
      throw new Error('the process that holds the folder does not answer');
    }
    return undefined;
  } finally {
    await directory.close();
  }
}

/** Removes sockets that never got their name. Whoever is still about to give one fails, and tries again. */
export async function sweepUnfinishedLocks(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((found) => unfinishedName.test(found))) {
    const file = path.join(folder, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 60_000) await unlink(file).catch(() => {});
  }
}

/** An address of a socket that is short enough for every system: a longer one would be cut, silently. */
function address(folder: string, name: string, directory: FileHandle): string {
  const full = path.join(path.resolve(folder), name);
  if (Buffer.byteLength(full) <= maxAddressBytes) return full;
  if (process.platform === 'linux') return `/proc/self/fd/${directory.fd}/${name}`;
  throw Object.assign(new Error('the path of the folder is too long for a lock'), { code: 'ENAMETOOLONG' });
}

function listen(at: string, door: Door, answer: AnswerRequest): Promise<Server> {
  const server = createServer((socket) => {
    socket.unref();
    door.callers.add(socket);
    socket.on('error', () => {}).on('close', () => door.callers.delete(socket));
    socket.setTimeout(60_000, () => socket.destroy());
    socket.write(door.holds ? 'holds\n' : 'asks\n');
    let request = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      request += chunk;
      if (request.length > longestRequest) socket.destroy();
      else if (request.endsWith('\n')) respond(socket, request.slice(0, -1), answer);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject).on('error', () => {});
      // Holding a folder keeps no process alive.
      server.unref();
      resolve(server);
    });
  });
}

function respond(socket: Socket, request: string, answer: AnswerRequest): void {
  answer(request).then(
    (text) => socket.end(`${text}\n`),
    () => socket.destroy(),
  );
}

/** What the system says of a socket whose process is gone, or is just going. */
const gone = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', 'ENOTSOCK']);

/** What the process behind a socket does; one that does not say so holds the folder, as far as anybody can tell. */
async function greet(at: string): Promise<'holds' | 'asks' | 'dead'> {
  try {
    const greeting = await exchange(at, undefined, greetingMs);
    // Whoever hangs up without a word is leaving, or was killed just now.
    if (greeting === '') return 'dead';
    return greeting === 'asks\n' ? 'asks' : 'holds';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== undefined && gone.has(code) ? 'dead' : 'holds';
  }
}

/**
 * Connects, sends a request if there is one, and gives back all that was said: up to the first line's end without a request,
 * else up to the end. undefined when the time is up. @throws Error of the system where nobody can be reached
 */
function exchange(at: string, request: string | undefined, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = '';
    let isConnected = false;
    const socket = connect(at);
    const timer = setTimeout(() => done(undefined), timeoutMs);
    const done = (result: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      isConnected = true;
      if (request !== undefined) socket.write(`${request}\n`);
    });
    socket.on('data', (chunk: string) => {
      said += chunk;
      if (request === undefined && said.includes('\n')) done(said);
    });
    socket.on('end', () => done(said));
    socket.on('error', (error) => {
      clearTimeout(timer);
      if (isConnected) done(said);
      else reject(error);
    });
  });
}
