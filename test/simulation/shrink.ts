import { type Script, smallerThan } from './script.ts';
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
