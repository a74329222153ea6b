import { describe, expect, test } from 'vitest';
import { Catalogue } from '../../../src/core/catalogue.ts';
import type { EmbeddingModel } from '../../../src/core/model.ts';
import { meant } from '../../../src/core/nearest.ts';

const model = (name: string, aliases?: string[]) =>
  ({ spec: { name, aliases } }) as unknown as EmbeddingModel;
const miniLM = model('all-MiniLM-L6-v2', ['sentence-transformers/all-MiniLM-L6-v2', 'small']);
const small = model('small');
const catalogue = new Catalogue([miniLM, small], 'small');

describe('a model is found', () => {
  test('by its name, by an alias, or as the default; a name is stronger than an alias', () => {
    expect(catalogue.get('all-MiniLM-L6-v2')).toBe(miniLM);
    expect(catalogue.get('sentence-transformers/all-MiniLM-L6-v2')).toBe(miniLM);
    expect(catalogue.get('small')).toBe(small);
    expect(catalogue.get(null)).toBe(small);
  });

  test('or the error names the one that was probably meant', () => {
    expect(() => catalogue.get('all-minilm-l6-v2')).toThrow(
      /Did you mean all-MiniLM-L6-v2\? Known models: all-/,
    );
    expect(() => catalogue.get('minilm')).toThrow(/Did you mean all-MiniLM-L6-v2\?/);
    expect(() => catalogue.get('gpt-4o')).toThrow(/of that name\. Known/);
  });
});

test('a very long name costs no time', () => {
  expect(meant('x'.repeat(5_000_000), ['all-MiniLM-L6-v2'])).toBeUndefined();
});
