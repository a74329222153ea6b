import type { GraphQLResolveInfo } from 'graphql';
import type { EmbedRequest } from '../../../core/request.ts';
import type { Context } from '../context.ts';
import { type Gather, gatherExtension, type Wish } from '../look-ahead/look-ahead.ts';

/**
 * A root field that says, from its arguments alone, which texts it will ask for.
 * @param read checks the arguments; what it throws is what the field fails with
 */
export function gathered<Args, OfField extends Wish<EmbedRequest>>(
  read: (args: Args, context: Context) => OfField,
) {
  return {
    extensions: { [gatherExtension]: read as Gather<Context, EmbedRequest> },
    /** What the field wishes for, once its run has been asked for. Read while looking ahead, if it could be. */
    wishOf: (args: Args, context: Context, { path }: GraphQLResolveInfo): OfField =>
      (context.lookAhead.reach(path.key) as OfField | undefined) ?? read(args, context),
  };
}
