import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type ParseOptions,
  parse,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { EmbedQLError } from '../../../core/errors.ts';
import { excessOf, maxNameLength } from './document-size.ts';

/** Selections inside selections. The longest introspection query that tools send has 16. */
const maxDepth = 20;
/** Directives at one place. */
const maxDirectives = 10;
/** Aliases of one field at one place, where the field is not one that is gathered with others. */
const maxAliases = 16;
/** Fields at one place with the same name in the answer. Validation compares each with each. */
const maxSameName = 32;

export interface DocumentLimits {
  /** Names, values and punctuators of the document. */
  maxTokens: number;
  /** Fields, after fragments have been put in where they are spread. */
  maxFields: number;
  /** Whether a root field may be asked for under any number of aliases. */
  isGathered(fieldName: string): boolean;
}

/** Limits that let `maxTexts` fields of one text through, written out with every argument and every field. */
export function limitsFor(maxTexts: number): Pick<DocumentLimits, 'maxTokens' | 'maxFields'> {
  return { maxTokens: 4_096 + 64 * maxTexts, maxFields: 1_024 + 16 * maxTexts };
}

/**
 * Parses a document, and refuses one that would cost more to check or to answer than anybody needs: token,
 * directive, depth, alias and fragment bombs. Graph-wide limits of this kind usually count aliases; here a thousand
 * of them are what the server is for, so they count only where each would be work of its own.
 * @throws EmbedQLError COST_LIMIT_EXCEEDED, GraphQLError for wrong syntax
 */
export function parseWithin(
  limits: DocumentLimits,
  source: Parameters<typeof parse>[0],
  options: ParseOptions = {},
): DocumentNode {
  const document = parseBounded(limits, source, options);
  checkNodes(document);
  new SelectionCheck(limits, document).run();
  return document;
}

function parseBounded(
  { maxTokens }: DocumentLimits,
  source: Parameters<typeof parse>[0],
  options: ParseOptions,
): DocumentNode {
  const excess = excessOf(typeof source === 'string' ? source : source.body, maxTokens);
  if (excess !== undefined) throw tooMuch(excess);
  try {
    return parse(source, { ...options, maxTokens, noLocation: !isShort(source) });
  } catch (error) {
    // The parser calls itself for what is nested.
    if (error instanceof RangeError) throw tooDeep();
    if (error instanceof Error && /^.{0,40}more tha[nt] \d{1,15} tokens/.test(error.message))
      throw tooMuch(`more than ${maxTokens} tokens`);
    throw error;
  }
}

/** Characters and lines of a document up to which errors say where they are: each of them counts the lines before it. */
const locatedCharacters = 65_536;
const locatedLines = 2_000;

function isShort(source: Parameters<typeof parse>[0]): boolean {
  const body = typeof source === 'string' ? source : source.body;
  if (body.length > locatedCharacters) return false;
  let lines = 0;
  for (let i = 0; i < body.length; i++) {
    const code = body.charCodeAt(i);
    if (code === 10 || code === 13) lines += 1;
  }
  return lines <= locatedLines;
}

function checkNodes(document: DocumentNode): void {
  visit(document, {
    enter(node) {
      if (node.kind === Kind.NAME && node.value.length > maxNameLength)
        throw tooMuch(`a name of more than ${maxNameLength} characters`);
      if ('directives' in node && (node.directives?.length ?? 0) > maxDirectives)
        throw tooMuch(`more than ${maxDirectives} directives at one place`);
    },
  });
}

/** Walks selections as the executor does: fields of the same name in the answer are merged, fragments put in. */
class SelectionCheck {
  readonly #limits: DocumentLimits;
  readonly #document: DocumentNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  #fields = 0;

  constructor(limits: DocumentLimits, document: DocumentNode) {
    this.#limits = limits;
    this.#document = document;
    this.#fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === 'FragmentDefinition' ? [[node.name.value, node]] : [],
      ),
    );
  }

  run(): void {
    for (const node of this.#document.definitions) {
      // A fragment is looked at by itself, too: validation does so even where nobody spreads it.
      if (node.kind === 'OperationDefinition' || node.kind === 'FragmentDefinition')
        this.#check([node.selectionSet], 1);
    }
  }

  #check(selections: readonly SelectionSetNode[], depth: number): void {
    if (depth > maxDepth) throw tooDeep();
    const byName = new Map<string, FieldNode[]>();
    const spread = new Set<string>();
    for (const selection of selections) this.#collect(selection, byName, spread, 0);
    const aliases = new Map<string, number>();
    for (const fields of byName.values()) {
      if (fields.length > maxSameName)
        throw tooMuch(`more than ${maxSameName} fields of the same name at one place`);
      const name = fields[0]!.name.value;
      const count = (aliases.get(name) ?? 0) + 1;
      aliases.set(name, count);
      if (count > maxAliases && !this.#limits.isGathered(name))
        throw tooMuch(`more than ${maxAliases} aliases of a field that is not batched`);
      const below = fields.flatMap(({ selectionSet }) => (selectionSet ? [selectionSet] : []));
      if (below.length > 0) this.#check(below, depth + 1);
    }
  }

  #collect(
    { selections }: SelectionSetNode,
    byName: Map<string, FieldNode[]>,
    spread: Set<string>,
    nesting: number,
  ): void {
    if (nesting > maxDepth) throw tooDeep();
    for (const node of selections) {
      if (++this.#fields > this.#limits.maxFields)
        throw tooMuch(`more than ${this.#limits.maxFields} fields`);
      if (node.kind === 'Field') {
        const name = (node.alias ?? node.name).value;
        const sameName = byName.get(name);
        if (sameName) sameName.push(node);
        else byName.set(name, [node]);
      } else if (node.kind === 'InlineFragment') {
        this.#collect(node.selectionSet, byName, spread, nesting + 1);
      } else if (!spread.has(node.name.value)) {
        spread.add(node.name.value);
        const fragment = this.#fragments.get(node.name.value);
        if (fragment) this.#collect(fragment.selectionSet, byName, spread, nesting + 1);
      }
    }
  }
}

function tooDeep(): EmbedQLError {
  return tooMuch('selections or values that are nested too deep');
}

function tooMuch(what: string): EmbedQLError {
  return new EmbedQLError('COST_LIMIT_EXCEEDED', `The document has ${what}; split it, or make it shorter.`);
}
