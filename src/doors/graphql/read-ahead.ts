import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  NoUndefinedVariablesRule,
  NoUnusedVariablesRule,
  OverlappingFieldsCanBeMergedRule,
  specifiedRules,
  type ValidationRule,
  VariablesInAllowedPositionRule,
  validate,
} from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import { ownTurn } from '../../core/turns.ts';

/** Characters up to which a document is read in one go: some milliseconds. */
const smallDocument = 32_768;

/** What came of a document: it, or why it could not be parsed; and what is wrong with it. */
export interface ReadDocument {
  readonly document?: DocumentNode;
  readonly error?: unknown;
  readonly invalid: readonly GraphQLError[];
}

/** Rules that look for variables in all that an operation reaches find them once for all of them. */
const aboutVariables: readonly ValidationRule[] = [
  NoUndefinedVariablesRule,
  NoUnusedVariablesRule,
  VariablesInAllowedPositionRule,
];

/**
 * Reads large documents before the engine does, and lets others work in between: to parse and validate one of as many tokens
 * as are allowed takes a quarter of a second, in pieces that nothing can interrupt.
 */
export class ReadAhead {
  readonly #read = new WeakMap<object, ReadDocument>();
  readonly #parse: (source: string) => DocumentNode;
  readonly #schema: GraphQLSchema;
  readonly #steps: ReadonlyArray<readonly ValidationRule[]>;

  /** @param rules beyond those of the specification */
  constructor(
    schema: GraphQLSchema,
    parse: (source: string) => DocumentNode,
    rules: readonly ValidationRule[],
  ) {
    this.#schema = schema;
    this.#parse = parse;
    const apart = [...aboutVariables, OverlappingFieldsCanBeMergedRule];
    const others = [...specifiedRules.filter((rule) => !apart.includes(rule)), ...rules];
    this.#steps = [others, aboutVariables, [OverlappingFieldsCanBeMergedRule]];
  }

  /** @returns what to wait for where the document of an operation is a large one; it never rejects */
  begin(params: GraphQLParams): Promise<void> | undefined {
    const { query } = params;
    if (typeof query !== 'string' || query.length <= smallDocument || this.#read.has(params))
      return undefined;
    return this.#begin(params, query);
  }

  /** What was read of the document of an operation; undefined where nothing was. */
  of(params: object): ReadDocument | undefined {
    return this.#read.get(params);
  }

  async #begin(params: object, source: string): Promise<void> {
    await ownTurn();
    try {
      const document = this.#parse(source);
      const invalid: GraphQLError[] = [];
      for (const rules of this.#steps) {
        await ownTurn();
        if (invalid.length === 0) invalid.push(...validate(this.#schema, document, rules));
      }
      this.#read.set(params, { document, invalid });
    } catch (error) {
      this.#read.set(params, { error, invalid: [] });
    }
  }
}
