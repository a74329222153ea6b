// ONNX Runtime with nothing around it: texts that were tokenised before, packed into batches of equal length so that nothing
// is padded, one session on all cores. Takes JSON lines of texts on stdin and prints texts a second for each, the best of
// several batch sizes.
import { createInterface } from 'node:readline';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [directory = '', modelFile = ''] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = `${directory.slice(0, directory.lastIndexOf('/'))}/`;
const tokenizer = await AutoTokenizer.from_pretrained(directory.slice(directory.lastIndexOf('/') + 1));
const session = await InferenceSession.create(modelFile);

function packed(texts: readonly string[], tokensInBatch: number): Array<Record<string, Tensor>> {
  const byLength = new Map<number, number[][]>();
  for (const text of texts) {
    const ids = tokenizer.encode(text).slice(0, 256);
    byLength.set(ids.length, [...(byLength.get(ids.length) ?? []), ids]);
  }
  const batches: Array<Record<string, Tensor>> = [];
  for (const [length, rows] of byLength) {
    const size = Math.max(1, Math.floor(tokensInBatch / length));
    for (let from = 0; from < rows.length; from += size) {
      const some = rows.slice(from, from + size);
      const dims = [some.length, length];
      batches.push({
        input_ids: new Tensor('int64', BigInt64Array.from(some.flat(), BigInt), dims),
        attention_mask: new Tensor('int64', new BigInt64Array(some.length * length).fill(1n), dims),
        token_type_ids: new Tensor('int64', new BigInt64Array(some.length * length), dims),
      });
    }
  }
  return batches;
}

process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const texts = JSON.parse(line) as string[];
  let best = 0;
  for (const tokensInBatch of [512, 2_048]) {
    const batches = packed(texts, tokensInBatch);
    const run = async () => {
      for (const batch of batches) await session.run(batch);
    };
    await run();
    const start = performance.now();
    let runs = 0;
    while (performance.now() - start < 2_000) {
      await run();
      runs++;
    }
    best = Math.max(best, (runs * texts.length * 1_000) / (performance.now() - start));
  }
  process.stdout.write(`${best}\n`);
}
