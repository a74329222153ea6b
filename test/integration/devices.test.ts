import { expect, test } from 'vitest';
import { createEmbedder, local } from '../../src/index.ts';
import { readEntry } from '../../src/models/entry.ts';
import { providers } from '../../src/providers/registry.ts';
import { cosine } from '../../src/testing/contract.ts';

const model = 'all-MiniLM-L6-v2';

/** What a device says, and gives, on this machine. */
async function computed(device?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml' | 'auto') {
  const lines: Array<{ device?: string; reason?: string; message: string }> = [];
  const line = (fields: object | string, message = '') => void lines.push({ ...(fields as object), message });
  const log = { debug() {}, info: line, warn: line, error: line };
  const embedder = await createEmbedder({ models: [local(model, { device })], log, cache: false });
  const { vector } = await embedder.embed('A cat purrs on the windowsill.');
  await embedder.close();
  return { vector, lines };
}

test('a device that is not here is tried, and the CPU computes; one line says why', async () => {
  const cpu = await computed();
  expect(cpu.lines).toMatchObject([{ message: 'model loaded', device: 'cpu' }]);
  for (const device of ['dml', 'coreml', 'cuda', 'auto'] as const) {
    const { vector, lines } = await computed(device);
    expect(cosine(vector, cpu.vector)).toBeGreaterThan(0.999);
    const used = lines.at(-1)!;
    expect(used.message).toBe('model loaded');
    if (used.device !== 'cpu') continue;
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ device, message: `${device} cannot be used here, so the CPU computes` });
    expect(lines[0]!.reason).toMatch(/^(?:dml|coreml|cuda|webgpu): ./);
    expect(vector).toEqual(cpu.vector);
  }
}, 120_000);

test('an entry may name a device, and no other', () => {
  const entry = (device: string) =>
    readEntry({ name: 'm', provider: 'local', dimension: 3, device }, providers, []);
  expect(entry('cuda').options).toEqual({ device: 'cuda' });
  expect(() => entry('gpu')).toThrow(/^device: /);
});
