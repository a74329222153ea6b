import { GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { limitsFor, parseWithin } from '../../../src/doors/graphql/plugins/document-limits.ts';

const limits = { ...limitsFor(10), isGathered: () => false };
const locationsIn = (source: string) => {
  const [operation] = parseWithin(limits, source).definitions;
  return new GraphQLError('wrong', { nodes: operation! }).locations;
};

test('errors say where they are, except in documents so long that counting lines would take seconds', () => {
  expect(locationsIn('\n\n{ health { status } }')).toEqual([{ line: 3, column: 1 }]);
  expect(locationsIn(`${'\n'.repeat(2_001)}{ health { status } }`)).toBeUndefined();
  expect(locationsIn(`${' '.repeat(65_536)}{ health { status } }`)).toBeUndefined();
});
