import { open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { onnxFileName } from './folder.ts';
import type { Weights } from './source.ts';

/** What transformers.js reads of a model's configuration about files beside its graph. */
const configSchema = z.object({
  'transformers.js_config': z
    .object({
      use_external_data_format: z
        .union([z.boolean(), z.number(), z.record(z.string(), z.union([z.boolean(), z.number()]))])
        .nullish(),
    })
    .nullish(),
});

/** The first bytes of a file that Git LFS has left in the place of the real one. */
const lfsPointer = 'version https://git-lfs';

/**
 * What can be seen to be wrong with a model's folder without loading it, as a sentence with what to do; undefined where
 * nothing is. Files are named relative to the folder.
 */
export async function folderFault({ directory, dtype }: Weights): Promise<string | undefined> {
  const graph = `onnx/${onnxFileName(dtype)}`;
  for (const file of ['config.json', 'tokenizer.json', graph]) {
    const start = await firstBytes(path.join(directory, file));
    if (start === undefined) return `${file} cannot be read; check its owner and mode.`;
    if (start === '') return `${file} is empty; fetch it again.`;
    if (start.startsWith(lfsPointer))
      return `${file} is a pointer of Git LFS; run "git lfs pull" in that folder.`;
    if (file.endsWith('.json') && !start.trimStart().startsWith('{'))
      return `${file} is not JSON; fetch it again.`;
  }
  return missingData(directory, graph);
}

async function firstBytes(file: string): Promise<string | undefined> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Tensors may lie beside a graph: in `model.onnx_data`, `model.onnx_data_1` and so on, as many as config.json says. */
async function missingData(directory: string, graph: string): Promise<string | undefined> {
  let config: z.infer<typeof configSchema>;
  try {
    config = configSchema.parse(JSON.parse(await readFile(path.join(directory, 'config.json'), 'utf8')));
  } catch {
    return 'config.json is not what transformers.js writes; fetch it again.';
  }
  const stated = config['transformers.js_config']?.use_external_data_format ?? 0;
  const ofGraph =
    typeof stated === 'object' ? (stated[path.basename(graph)] ?? stated['model'] ?? 0) : stated;
  const there = await readdir(path.join(directory, 'onnx'));
  for (let n = 0; n < Number(ofGraph); n++) {
    const data = `${graph}_data${n === 0 ? '' : `_${n}`}`;
    if (there.includes(path.basename(data))) continue;
    return (
      `config.json says that ${graph} keeps its tensors in ${data}, which is missing; ` +
      'put it there, or correct "use_external_data_format" in config.json.'
    );
  }
  return undefined;
}
