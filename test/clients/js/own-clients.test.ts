import { createClient, EmbedError } from '@embedql/client';
import { describe, expect, test } from 'vitest';
import { rank } from '../../../examples/client/similar.ts';
import { expectVectors, fresh, local, poison, remote, stand } from './support.ts';

describe('@embedql/client', () => {
  const client = (url = stand.open, apiKey = 'anything') => createClient(`${url}/graphql`, { apiKey });

  test.each([local, remote])('embeds one text and many with %s', async (model) => {
    const texts = [fresh(), 'The cat purrs.', fresh()];
    await expectVectors(model, texts, await client().embedVectors(texts, { model }));
    await expectVectors(model, texts.slice(0, 1), [(await client().embed(texts[0]!, { model })).vector]);
  });

  test('gives what went well beside what went wrong, streamed or not', async () => {
    const texts = [fresh(), fresh(poison), ' '];
    const expected = [expect.anything(), { code: 'PROVIDER_ERROR' }, { code: 'BAD_USER_INPUT' }];
    expect((await client().embedMany(texts)).results).toMatchObject(expected);
    const streamed: unknown[] = [];
    for await (const { index, result } of client().embedStream(texts)) streamed[index] = result;
    expect(streamed).toMatchObject(expected);
  });

  test('is told of a wrong model and a wrong key, and tries again after a 429', async () => {
    await expect(client().embed(fresh(), { model: 'nope' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(client(stand.guarded, 'wrong').embed(fresh())).rejects.toBeInstanceOf(EmbedError);
    const text = fresh('slow down');
    await expectVectors(remote, [text], [(await client(stand.strained).embed(text)).vector]);
  });
});

test('the client that graphql-codegen makes ranks texts, and gives what the server says', async () => {
  const ranking = await rank(
    `${stand.keyless}/graphql`,
    ['Shares fell today.', 'The cat purrs.'],
    'feline animals',
  );
  expect(ranking.map(({ document }) => document)).toEqual(['The cat purrs.', 'Shares fell today.']);
  await expect(rank(`${stand.keyless}/graphql`, [], 'feline animals')).rejects.toThrow(/texts/);
});
