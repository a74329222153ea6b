// Who is measured, and how each is started.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { directory } from '@embedql/all-minilm-l6-v2';
import type { BenchProvider } from '../processes.ts';
import { type Environment, environment, fp32Folder } from './python.ts';
import type { Server } from './running.ts';

const script = fileURLToPath(new URL('./servers/embeddings_server.py', import.meta.url));
const ourBin = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));
/** No peer asks a hub or tells anybody that it was started. */
const quiet = {
  HF_HUB_OFFLINE: '1',
  TRANSFORMERS_OFFLINE: '1',
  DO_NOT_TRACK: '1',
  INFINITY_ANONYMOUS_USAGE_STATS: '0',
  LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  LITELLM_TELEMETRY: 'False',
  LITELLM_LOG: 'ERROR',
  PYTHONUNBUFFERED: '1',
};
const localModel = 'all-MiniLM-L6-v2';
const remoteModel = 'text-embedding-3-small';
/** Rounded by us for what the server needs: packages/all-minilm-l6-v2. */
const int8 = 'int8, ours';
const fp32 = 'fp32';

/** A server that may turn out not to be installable. */
export interface Candidate {
  name: string;
  /** Installs what it needs. @throws with the reason where that fails. */
  prepare(): Server;
}

/** Our server with its default weights, and the peers that compute. */
export function localCandidates(python: string): Candidate[] {
  const own = (name: string, args: (env: Environment) => string[], weights: string): Candidate => ({
    name,
    prepare() {
      const env = environment(python, name.startsWith('fastembed') ? 'fastembed' : 'sentence-transformers');
      const command = (port: number) => ({
        file: path.join(env.bin, 'python'),
        args: [script, String(port), ...args(env)],
        env: quiet,
      });
      return { name, weights, model: localModel, prefix: '/v1', command };
    },
  });
  const infinity = (engine: 'optimum' | 'torch'): Candidate => {
    const weights = engine === 'optimum' ? int8 : fp32;
    const name = `infinity, ${engine}`;
    return {
      name,
      prepare() {
        const env = environment(python, 'infinity');
        const folder = engine === 'optimum' ? flatInt8() : fp32Folder(env);
        // Infinity gives Optimum the graph's path relative to where it runs, and Optimum looks for a bare name.
        const options = ['--model-id', '.', '--served-model-name', localModel, '--engine', engine];
        const listen = (port: number) => [
          '--host',
          '127.0.0.1',
          '--port',
          String(port),
          '--log-level',
          'error',
        ];
        const plain = ['--device', 'cpu', '--no-model-warmup', '--onnx-disable-optimize'];
        const command = (port: number) => ({
          file: path.join(env.bin, 'infinity_emb'),
          args: ['v2', ...options, ...listen(port), ...plain, '--pooling-method', 'mean'],
          env: quiet,
          cwd: folder,
        });
        return { name, weights, model: localModel, prefix: '', command };
      },
    };
  };
  const sentences = (env: Environment) => ['sentence-transformers', fp32Folder(env)];
  return [
    { name: 'ours', prepare: () => ourLocal },
    own('sentence-transformers', sentences, fp32),
    own('sentence-transformers, batching', (env) => [...sentences(env), '--batching'], fp32),
    infinity('optimum'),
    infinity('torch'),
    own('fastembed, batching', () => ['fastembed', directory, '--batching'], int8),
  ];
}

const ourLocal: Server = {
  name: 'ours',
  weights: int8,
  model: localModel,
  prefix: '/v1',
  command: (port) => ({
    file: process.execPath,
    args: [ourBin, 'serve'],
    env: { PORT: String(port), OPENAI_API_KEY: '', LOG_LEVEL: 'warn' },
  }),
};

/** Our server and LiteLLM's proxy in front of `provider`, each with its cache in memory and, as the proxy insists, a key. */
export function gatewayCandidates(python: string, provider: BenchProvider): Candidate[] {
  const key = `sk-${randomBytes(32).toString('hex')}`;
  const headers = { authorization: `Bearer ${key}` };
  const ours: Server = {
    name: 'ours, as a gateway',
    headers,
    weights: 'remote',
    model: remoteModel,
    prefix: '/v1',
    command: (port) => ({
      file: process.execPath,
      args: [ourBin, 'serve'],
      env: {
        ...provider.env,
        PORT: String(port),
        LOG_LEVEL: 'warn',
        EMBEDQL_CACHE_TTL: '600',
        EMBEDQL_API_KEYS: key,
      },
    }),
  };
  return [
    { name: ours.name, prepare: () => ours },
    {
      name: 'LiteLLM proxy',
      prepare() {
        const env = environment(python, 'litellm');
        const config = liteLLMConfig(provider.url);
        const command = (port: number) => ({
          file: path.join(env.bin, 'litellm'),
          args: ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
          env: { ...quiet, LITELLM_MASTER_KEY: key },
        });
        return {
          name: 'LiteLLM proxy',
          weights: 'remote',
          model: remoteModel,
          headers,
          prefix: '/v1',
          command,
        };
      },
    },
  ];
}

/** Our weights' package with the graph beside the tokenizer. @returns a folder that is deleted when this process ends */
function flatInt8(): string {
  const folder = temporaryFolder();
  for (const name of readdirSync(directory))
    if (name.endsWith('.json')) copyFileSync(path.join(directory, name), path.join(folder, name));
  copyFileSync(path.join(directory, 'onnx/model_int8.onnx'), path.join(folder, 'model_int8.onnx'));
  return folder;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'embedql-peers-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** @returns the path of a file that is deleted when this process ends */
function liteLLMConfig(url: string): string {
  const folder = temporaryFolder();
  const file = path.join(folder, 'litellm.yaml');
  const upstream = { model: `openai/${remoteModel}`, api_base: url, api_key: 'sk-bench' };
  const settings = { cache: true, cache_params: { type: 'local', ttl: 600 } };
  // JSON is YAML.
  writeFileSync(
    file,
    JSON.stringify({
      model_list: [{ model_name: remoteModel, litellm_params: upstream }],
      litellm_settings: settings,
    }),
  );
  return file;
}
