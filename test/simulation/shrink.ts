import type { RequestScript, Script } from './script.ts';
import { runWorld } from './world.ts';

/** How many worlds are tried. */
const patience = 2_000;

/** Leaves out of a world that fails whatever it fails without. */
export async function smallest(script: Script): Promise<Script> {
  let best = script;
  const kind = kindOf((await runWorld(script)).violations);
  let tried = 0;
  for (let shrunk = true; shrunk; ) {
    shrunk = false;
    for (const candidate of smallerThan(best)) {
      if (++tried > patience) return best;
      const { violations } = await runWorld(candidate);
      if (kindOf(violations) !== kind) continue;
      best = candidate;
      shrunk = true;
      break;
    }
  }
  return best;
}

/** The first broken invariant without the names and numbers in it. */
function kindOf([first]: readonly string[]): string | undefined {
  return first
    ?.replace(/^\S+( t\d\w)*:? /, '')
    .replace(/[\d.]+|t\d\w*/g, '#')
    .replace(/excuses: .*/, '');
}

/** Smaller worlds of the same seed, those that leave out most first. */
function* smallerThan(script: Script): Generator<Script> {
  const { requests, incidents, texts } = script;
  for (let size = Math.ceil(requests.length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from < requests.length && requests.length > 1; from += size)
      yield { ...script, requests: requests.toSpliced(from, size) };
  for (const [i] of incidents.entries()) yield { ...script, incidents: incidents.toSpliced(i, 1) };
  if (script.replicas > 1) {
    const replicas = script.replicas - 1;
    const fold = <Item extends { replica: number }>(items: readonly Item[]) =>
      items.map((item) => ({ ...item, replica: Math.min(item.replica, replicas - 1) }));
    yield { ...script, replicas, requests: fold(requests), incidents: fold(incidents) };
  }
  for (const [i, request] of requests.entries()) {
    const without = (change: Partial<RequestScript>) => ({
      ...script,
      requests: requests.with(i, { ...request, ...change }),
    });
    if (request.again > 0) yield without({ again: 0 });
    if (request.abortMs !== undefined) yield without({ abortMs: undefined });
    for (const [n] of request.items.entries())
      if (request.items.length > 1) yield without({ items: request.items.toSpliced(n, 1) });
  }
  const plainer: Partial<Script> = {
    transient: 0,
    memoryEntries: 1_000,
    deadlineMs: undefined,
    adaptive: false,
    queueLimit: 10_000,
    identityMs: 0,
    drawMs: 0,
    retries: 0,
    fitMs: [0, 0],
    reserveMs: [0, 0],
    keys: script.keys.map((key) => ({ ...key, limit: undefined })),
    texts: texts.map((text) => ({ ...text, nature: text.nature === 'long' ? 'long' : 'plain' })),
    models: script.models.map((model) => ({ ...model, trueLimit: undefined })),
  };
  for (const [name, value] of Object.entries(plainer)) {
    const key = name as keyof Script;
    if (JSON.stringify(script[key]) !== JSON.stringify(value)) yield { ...script, [key]: value };
  }
}
