import { type ExecutionArgs, type FieldNode, type GraphQLField, getOperationAST } from 'graphql';
import { argumentsOf } from './field-arguments.ts';
import { variablesOf } from './operation-variables.ts';
import { rootFieldsOf } from './root-fields.ts';

/**
 * Says what a field will ask for, from its arguments alone, before it runs. It must have no effects; what it
 * throws is left to the resolver to throw again.
 */
export type Gather<Context, Request> = (args: Record<string, unknown>, context: Context) => Wish<Request>;

/** What a field makes of its arguments. */
export interface Wish<Request> {
  readonly requests: readonly Request[];
}

/** The extension by which a root field says that it can be gathered. */
export const gatherExtension = 'embedqlGather';

/** Root fields that stand together and may be computed together. */
interface Run<Request> {
  requests: Request[];
  started: boolean;
}

/**
 * Root fields of a mutation run one after another (GraphQL specification, "Serially"), so a loader alone
 * sees one of them at a time. This walks the root selection set before the first field runs, and hands what
 * a run of gatherable fields will ask for to the loader at once.
 *
 * A root field that cannot be gathered, and so may have effects, ends the run: what stands after it is not
 * asked for before it has run. The executor is left alone; it finds its answers waiting.
 */
export class LookAhead<Context, Request> {
  readonly #beginRun: (requests: readonly Request[]) => void;
  readonly #fields = new Map<string, { run: Run<Request>; wish: Wish<Request> | undefined }>();

  constructor(beginRun: (requests: readonly Request[]) => void) {
    this.#beginRun = beginRun;
  }

  /** Looks at the whole operation. @returns what its fields will ask for. */
  plan({ schema, document, variableValues, operationName }: ExecutionArgs, context: Context): Request[] {
    const operation = getOperationAST(document, operationName);
    if (!operation || operation.operation === 'subscription') return [];
    const variables = variablesOf(schema, operation, variableValues ?? {});
    // Wrong variables: the executor says so, and nothing runs.
    if (!variables) return [];
    const requests: Request[] = [];
    let run: Run<Request> | undefined;
    for (const { responseKey, node, field } of rootFieldsOf(schema, document, operation, variables)) {
      const gather = field?.extensions[gatherExtension] as Gather<Context, Request> | undefined;
      if (!field || !gather) {
        run = undefined;
        continue;
      }
      run ??= { requests: [], started: false };
      const wish = gatherSafely(gather, field, node, variables, context);
      this.#fields.set(responseKey, { run, wish });
      for (const request of wish?.requests ?? []) {
        run.requests.push(request);
        requests.push(request);
      }
    }
    return requests;
  }

  /**
   * A root field is about to run: its whole run is asked for, unless it has been.
   * @returns what it said that it would ask for; undefined where it could not say
   */
  reach(responseKey: string | number): Wish<Request> | undefined {
    const field = this.#fields.get(String(responseKey));
    if (!field) return undefined;
    const { run, wish } = field;
    if (!run.started) {
      run.started = true;
      this.#beginRun(run.requests);
    }
    return wish;
  }
}

function gatherSafely<Context, Request>(
  gather: Gather<Context, Request>,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: Record<string, unknown>,
  context: Context,
): Wish<Request> | undefined {
  try {
    return gather(argumentsOf(field, node, variables), context);
  } catch {
    return undefined;
  }
}
