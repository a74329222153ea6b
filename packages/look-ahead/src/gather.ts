import type { GraphQLField } from 'graphql';

/**
 * What a field asks for: its requests, or an object that carries them beside whatever else was read from the arguments
 * (see {@link gathered}).
 */
export type Gathered<Request> = readonly Request[] | { readonly requests: readonly Request[] };

/**
 * Says what a root field will ask for, from its arguments alone, before it runs. It must have no effects. Where it
 * throws, the field counts as unforeseen; the resolver runs all the same, and should throw the same error.
 */
export type Gather<Args, Context, Result extends Gathered<unknown> = Gathered<unknown>> = (
  args: Args,
  context: Context,
) => Result;

/** A `gather` of which nothing is known but that it is one. */
export type AnyGather = Gather<never, never>;

/** What {@link gather} puts into the `extensions` of a field. */
export interface GatherExtension {
  readonly lookAhead: { readonly gather: AnyGather };
}

/**
 * The extension by which a root field of a query or mutation can be gathered with its neighbours.
 *
 * @param read says what the field will ask for, from its arguments alone
 * @example
 * ```ts
 * const user: GraphQLFieldConfig<unknown, Context, { id: string }> = {
 *   type: User,
 *   args: { id: { type: new GraphQLNonNull(GraphQLID) } },
 *   extensions: { ...gather(({ id }: { id: string }) => [id]) },
 *   resolve: (_root, { id }, { users }) => users.load(id),
 * };
 * ```
 */
export function gather<Args, Context, Result extends Gathered<unknown>>(
  read: Gather<Args, Context, Result>,
): GatherExtension {
  return { lookAhead: { gather: read } };
}

/** The `gather` of a field, where it has one. */
export function gatherOf({
  extensions,
}: Pick<GraphQLField<never, never>, 'extensions'>): AnyGather | undefined {
  return (extensions as Partial<GatherExtension>).lookAhead?.gather;
}

/**
 * Whether a root field is gathered with its neighbours, so that any number of its aliases is one piece of work. For
 * limits on aliases or cost.
 */
export function isGatherable(field: Pick<GraphQLField<never, never>, 'extensions'>): boolean {
  return gatherOf(field) !== undefined;
}
