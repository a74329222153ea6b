import type { EmbedRequest } from '../embedder/embedder.ts';
import { type Gather, gatherExtension } from '../loading/look-ahead.ts';
import type { Context } from './context.ts';

/** The `extensions` of a root field that says, from its arguments alone, which texts it will ask for. */
export function gathered<Args>(gather: (args: Args, context: Context) => readonly EmbedRequest[]) {
  return { [gatherExtension]: gather as Gather<Context, EmbedRequest> };
}
