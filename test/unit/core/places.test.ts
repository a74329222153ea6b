import { describe, expect, test } from 'vitest';
import { Places } from '../../../src/core/places.ts';

/** A call that ends when it is told to. */
function call(name: string, log: string[]) {
  let end: (error?: Error) => void = () => {};
  const run = () =>
    new Promise<string>((resolve, reject) => {
      log.push(name);
      end = (error) => (error ? reject(error) : resolve(name));
    });
  return { run, end: (error?: Error) => end(error) };
}

const turn = () => new Promise((resolve) => void setImmediate(resolve));

describe('Places', () => {
  test('calls begin at once while there is room, the others in their order', async () => {
    const begun: string[] = [];
    const places = new Places(() => 2);
    const calls = ['a', 'b', 'c', 'd'].map((name) => call(name, begun));
    const results = calls.map(({ run }) => places.use(run));
    expect([begun, places.free]).toEqual([['a', 'b'], false]);
    calls[1]!.end();
    await turn();
    expect(begun).toEqual(['a', 'b', 'c']);
    calls[0]!.end();
    await turn();
    for (const { end } of calls) end();
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
    expect(places.free).toBe(true);
  });

  test('a place that somebody here waits for is not offered to anybody else', async () => {
    const begun: string[] = [];
    const places = new Places(() => 1);
    let offers = 0;
    places.onFree(() => {
      offers += 1;
    });
    const [batch, part] = [call('batch', begun), call('part', begun)];
    const results = [places.use(batch.run), places.use(part.run)];
    batch.end();
    await turn();
    expect([begun, offers, places.free]).toEqual([['batch', 'part'], 0, false]);
    part.end();
    await Promise.all(results);
    expect([offers, places.free]).toEqual([1, true]);
  });

  test('a limit that has become smaller holds for the next calls, one that has grown lets in several', async () => {
    let limit = 3;
    const begun: string[] = [];
    const places = new Places(() => limit);
    const calls = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => call(name, begun));
    const results = calls.map(({ run }) => places.use(run));
    limit = 1;
    calls[0]!.end();
    calls[1]!.end();
    await turn();
    expect(begun).toEqual(['a', 'b', 'c']);
    limit = 3;
    calls[2]!.end();
    await turn();
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    for (const { end } of calls) end();
    await Promise.all(results);
  });

  test('a call that fails gives its place back', async () => {
    const places = new Places(() => 1);
    const failing = call('failing', []);
    const result = places.use(failing.run);
    failing.end(new Error('no'));
    await expect(result).rejects.toThrow('no');
    await expect(
      places.use(() => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    expect(places.free).toBe(true);
  });
});

test('calls that can wait have half of the places, and come after all others', async () => {
  const begun: string[] = [];
  const places = new Places(() => 4);
  const patient = ['p', 'q', 'r'].map((name) => call(name, begun));
  for (const { run } of patient) void places.use(run, true);
  expect([begun, places.free, places.freeForPatient]).toEqual([['p', 'q'], true, false]);
  const others = ['a', 'b', 'c'].map((name) => call(name, begun));
  for (const { run } of others) void places.use(run);
  expect(begun).toEqual(['p', 'q', 'a', 'b']);
  patient[0]!.end();
  await turn();
  expect(begun).toEqual(['p', 'q', 'a', 'b', 'c']);
  others[0]!.end();
  others[1]!.end();
  await turn();
  expect(begun).toEqual(['p', 'q', 'a', 'b', 'c']);
  others[2]!.end();
  await turn();
  expect(begun).toEqual(['p', 'q', 'a', 'b', 'c', 'r']);
});
