import {
  type ExecutionArgs,
  type GraphQLResolveInfo,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import type { Variables } from './coercion.ts';
import type { AnyGather, Gather, Gathered } from './gather.ts';
import { type RootField, rootFieldsOf } from './root-fields.ts';

/** A root field of which nothing could be said ahead: its arguments are wrong, or its `gather` threw. */
export interface UnforeseenField {
  /** Its alias, or its name where it has none. */
  readonly responseKey: string;
  readonly fieldName: string;
  /** Why. The resolver is expected to fail with the same. */
  readonly error: unknown;
}

/** A root field that has said what it will ask for. */
export interface ForeseenField<Request> {
  /** Its alias, or its name where it has none. */
  readonly responseKey: string;
  readonly fieldName: string;
  /** What its `gather` returned. */
  readonly result: Gathered<Request>;
}

/** Root fields that stand together and may be computed together. */
interface Run<Request> {
  readonly requests: Request[];
  begun: boolean;
}

interface PlannedField<Request> {
  readonly run: Run<Request>;
  readonly gather: AnyGather;
  /** Undefined where it could not be said ahead. */
  readonly result: Gathered<Request> | undefined;
}

type Begin<Request> = (requests: readonly Request[]) => void;

/**
 * What the root fields of one operation will ask for, told before the first of them runs.
 *
 * A root field that cannot be gathered, and so may have effects, ends the run: what stands after it is not asked for
 * before it has run. The executor is left alone; its resolvers find their answers waiting.
 */
export class Plan<Request> {
  readonly operation: OperationDefinitionNode | undefined;
  /** Of all runs, in the order of the fields. */
  readonly requests: Request[] = [];
  readonly foreseen: ForeseenField<Request>[] = [];
  readonly unforeseen: UnforeseenField[] = [];
  readonly #fields = new Map<string, PlannedField<Request>>();
  readonly #begin: Begin<Request>;

  /** @param begin called with each run when its first field is reached */
  constructor(args: ExecutionArgs, context: unknown, begin: Begin<Request>) {
    this.#begin = begin;
    this.operation = getOperationAST(args.document, args.operationName) ?? undefined;
    if (!this.operation) return;
    const { fields, variables } = fieldsToRun(args, this.operation);
    let run: Run<Request> | undefined;
    for (const field of fields) {
      if (!field.gather) {
        run = undefined;
        continue;
      }
      run ??= { requests: [], begun: false };
      const result = this.#read(field, field.gather, variables, context);
      this.#fields.set(field.responseKey, { run, gather: field.gather, result });
      if (!result) continue;
      this.foreseen.push({ responseKey: field.responseKey, fieldName: field.fieldName, result });
      for (const request of 'requests' in result ? result.requests : result) {
        run.requests.push(request);
        this.requests.push(request);
      }
    }
  }

  /** A root field is about to run: its run begins, unless it has begun. */
  reach(responseKey: string | number): void {
    const run = this.#fields.get(String(responseKey))?.run;
    if (!run || run.begun) return;
    run.begun = true;
    this.#begin(run.requests);
  }

  /** What `gather` returned for a field; undefined where it threw, or where it is not the one that was asked. */
  resultOf<Result extends Gathered<unknown>>(
    responseKey: string | number,
    gather: Gather<never, never, Result>,
  ): Result | undefined {
    const field = this.#fields.get(String(responseKey));
    return field?.gather === gather ? (field.result as Result | undefined) : undefined;
  }

  #read(
    { responseKey, fieldName, readArguments }: RootField,
    gather: AnyGather,
    variables: Variables,
    context: unknown,
  ): Gathered<Request> | undefined {
    try {
      // Whoever declared the field answers for the types: of its arguments, of the context and of the requests.
      return (gather as Gather<unknown, unknown, Gathered<Request>>)(readArguments(variables), context);
    } catch (error) {
      this.unforeseen.push({ responseKey, fieldName, error });
      return undefined;
    }
  }
}

/** None where variables or directives are wrong: the executor says so, and nothing runs. */
function fieldsToRun(
  { schema, document, variableValues }: ExecutionArgs,
  operation: OperationDefinitionNode,
): { fields: readonly RootField[]; variables: Variables } {
  const none = { fields: [], variables: {} };
  const rootFields = rootFieldsOf(schema, document, operation);
  const variables = rootFields.readVariables(variableValues ?? {});
  if (!variables) return none;
  try {
    return { fields: rootFields.list(variables), variables };
  } catch {
    return none;
  }
}

/** A plan as resolvers need it, whatever its requests are. */
type PlanUnderWay = Pick<Plan<never>, 'operation' | 'reach' | 'resultOf'>;

/** One for each operation under way, by the context value that its resolvers get. */
const plans = new WeakMap<object, PlanUnderWay>();

/** @param context anything but an object cannot be remembered by, and is let go */
export function keepPlan(context: unknown, plan: PlanUnderWay): void {
  if (typeof context === 'object' && context !== null) plans.set(context, plan);
}

/**
 * Lets go of a plan whose operation is done. Left to the garbage collector, a young plan in an old WeakMap, with all that
 * it holds, outlives every quick collection: a fifth of the time of a hundred cached fields.
 */
export function dropPlan(context: unknown): void {
  plans.delete(context as object);
}

/** The plan of the operation that a root field belongs to. */
export function planOf(
  context: unknown,
  { path, operation }: Pick<GraphQLResolveInfo, 'path' | 'operation'>,
): PlanUnderWay | undefined {
  // Below the root there may be a Query again, with fields of the same names.
  if (path.prev) return undefined;
  const plan = plans.get(context as object);
  return plan?.operation === operation ? plan : undefined;
}
