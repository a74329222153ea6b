import { createRequire } from 'node:module';

/**
 * What to do where this machine lacks the local runtime (an optional dependency: `npm i --omit=optional` leaves it out), or
 * undefined where it is installed. Looks for the files only and loads nothing.
 */
export function missingRuntime(): string | undefined {
  try {
    const runtime = createRequire(import.meta.url).resolve('@embedql/local-runtime');
    // Its own optional part, so that it is left out, too, where npm was given the runtime by name.
    createRequire(runtime).resolve('onnxruntime-common');
    return undefined;
  } catch {
    return 'Local models require a package that is not installed: run "npm i @embedql/local-runtime --include=optional" and start again.';
  }
}
