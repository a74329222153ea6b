import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Progress } from '../../core/surroundings.ts';
import { fetchFromHub, type HubOptions } from '../hub.ts';

/** What a tokenizer is made from. */
export interface TokenizerFiles {
  readonly tokenizer: string;
  /** More about it, where there is such a file. */
  readonly config: string | undefined;
}

const tokenizerFile = 'tokenizer.json';
const configFile = 'tokenizer_config.json';

/** Whether a member `tokenizer` can be used: a path to what is there, or a name as the hub has them. */
export function isTokenizer(source: string): boolean {
  return isPath(source) ? existsSync(source) : /^[\w.-]{1,96}\/[\w.-]{1,96}$/.test(source);
}

/** A path says so: by its beginning, or by the name of a file. */
function isPath(source: string): boolean {
  return path.isAbsolute(source) || /^\.{1,2}(?:[\\/]|$)/.test(source) || source.endsWith('.json');
}

/**
 * The files of a tokenizer: where the path says, else in the models folder, else fetched into it from the hub.
 * @throws Error in a few words, for the log and for whoever asked
 */
export async function findTokenizer(
  source: string,
  { modelsDir, hub, progress }: { modelsDir: string; hub: HubOptions; progress: Progress },
): Promise<TokenizerFiles> {
  if (isPath(source)) {
    const isFolder = (await stat(source).catch(() => undefined))?.isDirectory();
    const file = isFolder ? path.join(source, tokenizerFile) : source;
    if (!existsSync(file)) throw new Error(`there is no ${file}`);
    return filesOf(file);
  }
  const folder = path.join(modelsDir, 'tokenizers', source);
  for (const there of [path.join(modelsDir, source), folder])
    if (existsSync(path.join(there, tokenizerFile))) return filesOf(path.join(there, tokenizerFile));
  if (hub.offline)
    throw new Error(`HF_HUB_OFFLINE is set, and there is no ${path.join(folder, tokenizerFile)}`);
  await fetchTokenizer(source, folder, hub, progress);
  return filesOf(path.join(folder, tokenizerFile));
}

function filesOf(tokenizer: string): TokenizerFiles {
  const config = path.join(path.dirname(tokenizer), configFile);
  return { tokenizer, config: existsSync(config) ? config : undefined };
}

/** The folder is there whole or not at all: several processes may do this at once. */
async function fetchTokenizer(
  id: string,
  folder: string,
  hub: HubOptions,
  progress: Progress,
): Promise<void> {
  await mkdir(path.dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(`${folder}-`);
  try {
    await fetchFromHub(
      id,
      (files) => {
        const chosen = files.filter(({ rfilename }) => [tokenizerFile, configFile].includes(rfilename));
        if (chosen.some(({ rfilename }) => rfilename === tokenizerFile)) return chosen;
        throw new Error(`its ${id} has no ${tokenizerFile}`);
      },
      unfinished,
      (totalBytes) => progress.start(`tokenizer of ${id}`, totalBytes),
      hub,
    ).catch((error: unknown) => {
      throw new Error(`the Hugging Face hub: ${error instanceof Error ? error.message : String(error)}`);
    });
    await rename(unfinished, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (!existsSync(path.join(folder, tokenizerFile))) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
