import {
  defaultFieldResolver,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  locatedError,
} from 'graphql';
import { type Gather, type Gathered, isGatherable } from './gather.ts';
import { dropPlan, type ForeseenField, keepPlan, Plan, planOf, type UnforeseenField } from './plan.ts';

export type { Gather, GatherExtension, Gathered } from './gather.ts';
export { gather, isGatherable } from './gather.ts';
export type { ForeseenField, UnforeseenField } from './plan.ts';

/** The further arguments of `admit`. */
export interface AdmitInfo<Request = unknown> {
  /** Root fields that will ask for something, each with what its `gather` returned, in the order of the answer. */
  readonly foreseen: ReadonlyArray<ForeseenField<Request>>;
  /**
   * Root fields that could have been gathered, but of which nothing could be said ahead. They run all the same, and
   * whatever they ask for is in no request: who guards money refuses them, or guards it again where it is spent.
   */
  readonly unforeseen: readonly UnforeseenField[];
  /** The operation that is about to run. */
  readonly args: ExecutionArgs;
}

/** What a host does with what was seen ahead. */
export interface LookAheadOptions<Context, Request> {
  /**
   * Called once for each query and mutation, before anything of it runs, with all that it will ask for; duplicates
   * included. Throw, or reject, to refuse the operation: a GraphQLError is the answer as it is, any other error is
   * wrapped as graphql-js wraps what a resolver throws (`originalError`), and masked as your server masks those.
   */
  admit?(requests: readonly Request[], context: Context, info: AdmitInfo<Request>): void | PromiseLike<void>;
  /**
   * Called once for each run of fields that may be computed together, when its first field is reached. Start the work
   * and return: the resolvers wait for it. What it throws, the first field of the run throws.
   */
  begin(requests: readonly Request[], context: Context): void;
}

/** An Envelop plugin, as far as this one is one. */
export interface LookAheadPlugin {
  onSchemaChange(payload: { schema: GraphQLSchema }): void;
  onExecute(payload: {
    args: ExecutionArgs;
    context: unknown;
    setResultAndStopExecution(result: ExecutionResult): void;
  }): ExecuteHooks | undefined | Promise<ExecuteHooks | undefined>;
}

interface ExecuteHooks {
  onExecuteDone(payload: { result: object }): void;
}

/**
 * Lets a DataLoader batch across root fields. Root fields of a mutation run one after another (GraphQL specification,
 * section 6.2.2), so a loader sees one of them at a time. This plugin walks the root selection set before the first
 * field runs, and hands over what each run of gatherable fields will ask for at once. The executor is left alone.
 *
 * What is remembered hangs on the context value, which therefore must be an object of its own for each operation, as it
 * is in Yoga and Envelop. Use one such plugin in a server.
 *
 * @example
 * ```ts
 * useLookAhead<Context, string>({
 *   admit: (keys) => {
 *     if (keys.length > 1000) throw new GraphQLError('Ask for at most 1000 users at once.');
 *   },
 *   begin: (keys, { users }) => void users.loadMany(keys),
 * });
 * ```
 */
export function useLookAhead<Context, Request>({
  admit,
  begin,
}: LookAheadOptions<Context, Request>): LookAheadPlugin {
  return {
    onSchemaChange({ schema }) {
      for (const type of [schema.getQueryType(), schema.getMutationType()]) {
        for (const field of Object.values(type?.getFields() ?? {})) if (isGatherable(field)) wrap(field);
      }
    },
    onExecute({ args, context: given, setResultAndStopExecution }) {
      const context = given as Context;
      const plan = new Plan<Request>(args, context, (requests) => begin(requests, context));
      keepPlan(context, plan);
      const hooks: ExecuteHooks = {
        onExecuteDone({ result }) {
          // Deferred fields may be reached yet.
          if (!(Symbol.asyncIterator in result)) dropPlan(context);
        },
      };
      const refuse = (error: unknown): undefined => {
        dropPlan(context);
        setResultAndStopExecution({
          errors: [error instanceof GraphQLError ? error : locatedError(error, undefined)],
        });
      };
      try {
        const { foreseen, unforeseen } = plan;
        const admitted = admit?.(plan.requests, context, { foreseen, unforeseen, args });
        return admitted ? Promise.resolve(admitted).then(() => hooks, refuse) : hooks;
      } catch (error) {
        return refuse(error);
      }
    },
  };
}

/**
 * What `read` makes of the arguments of a root field, without doing it a second time where it was read ahead. For
 * resolvers that go on from what their `gather` has found out.
 *
 * @param read the same function that the field has as its `gather`
 * @throws what `read` throws
 * @example
 * ```ts
 * const readUser = ({ name }: { name: string }) => ({ requests: [idOf(name)] as const });
 *
 * builder.mutationField('user', (t) =>
 *   t.field({
 *     type: User,
 *     args: { name: t.arg.string({ required: true }) },
 *     gather: readUser,
 *     resolve: (_root, args, context, info) => {
 *       const { requests: [id] } = gathered(readUser, args, context, info);
 *       return context.users.load(id);
 *     },
 *   }),
 * );
 * ```
 */
export function gathered<Args, Context, Result extends Gathered<unknown>>(
  read: Gather<Args, Context, Result>,
  args: Args,
  context: Context,
  info: Pick<GraphQLResolveInfo, 'path' | 'operation'>,
): Result {
  return planOf(context, info)?.resultOf(info.path.key, read) ?? read(args, context);
}

type Resolver = GraphQLFieldResolver<unknown, unknown>;

/** A schema may be seen more than once, and by several servers. */
const wrapped = new WeakSet<Resolver>();

/** Lets the run of a field begin before its resolver runs. */
function wrap(field: GraphQLField<unknown, unknown>): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  if (wrapped.has(resolve)) return;
  const beginAndResolve: Resolver = (root, args, context, info) => {
    planOf(context, info)?.reach(info.path.key);
    return resolve(root, args, context, info);
  };
  wrapped.add(beginAndResolve);
  field.resolve = beginAndResolve;
}
