import fc from 'fast-check';

/** Where a root field stands in a document, and whether it runs. */
export interface Placement {
  wrapper: 'none' | 'inline' | 'fragment' | 'nested';
  directive: keyof typeof directives;
}

const directives = {
  none: '',
  include: ' @include(if: true)',
  exclude: ' @include(if: false)',
  skip: ' @skip(if: true)',
  'include by variable': ' @include(if: $yes)',
  'skip by variable': ' @skip(if: $yes)',
};

export const placement: fc.Arbitrary<Placement> = fc.record({
  wrapper: fc.constantFrom<Placement['wrapper'][]>('none', 'none', 'inline', 'fragment', 'nested'),
  directive: fc.constantFrom<Placement['directive'][]>(
    'none',
    'none',
    'none',
    'include',
    'exclude',
    'skip',
    'include by variable',
    'skip by variable',
  ),
});

export const isRun = ({ directive }: Placement): boolean =>
  ['none', 'include', 'include by variable'].includes(directive);

/** A root field that has been written down, without its alias and directives. */
export interface WrittenField extends Placement {
  /** `read(key: "a")` */
  call: string;
  /** ` { name }`, or nothing. */
  selection: string;
}

/**
 * A mutation of these fields under the aliases f0, f1, and so on. Its variable `yes` must be true.
 * @param declarations of the variables that the fields use
 */
export function writeMutation(fields: readonly WrittenField[], declarations: readonly string[]): string {
  const fragments: string[] = [];
  const selections = fields.map(({ call, selection, wrapper, directive }, i) => {
    const field = `f${i}: ${call}${directives[directive]}${selection}`;
    if (wrapper === 'inline') return `... on Mutation { ${field} }`;
    if (wrapper === 'none') return field;
    fragments.push(
      wrapper === 'fragment'
        ? `fragment F${i} on Mutation { ${field} }`
        : `fragment F${i} on Mutation { ... on Mutation { ...G${i} } } fragment G${i} on Mutation { ${field} }`,
    );
    return `...F${i}`;
  });
  const declared = ['$yes: Boolean! = false', ...declarations].join(', ');
  return `mutation(${declared}) { ${selections.join(' ')} ... @include(if: $yes) { __typename } } ${fragments.join(' ')}`;
}
