import { describe, expect, test } from 'vitest';
import { createAuthenticate } from '../../../src/admission/keys.ts';

const named = (keys: readonly string[]) => keys.map((key) => ({ name: 'some', key }));

describe('who shows which key may do what', () => {
  test.each([
    ['no keys at all', [], [], undefined, 'admin'],
    ['no keys, one shown', [], [], 'Bearer x', 'admin'],
    ['API keys, none shown', ['a', 'b'], [], undefined, undefined],
    ['API keys, a wrong one', ['a', 'b'], [], 'Bearer c', undefined],
    ['API keys, the second of them', ['a', 'b'], [], 'Bearer b', 'admin'],
    ['the scheme in other letters', ['a'], [], 'bearer a', 'admin'],
    ['another scheme', ['a'], [], 'Basic a', undefined],
    ['admin keys alone, none shown', [], ['x'], undefined, 'client'],
    ['admin keys alone, one shown', [], ['x'], 'Bearer x', 'admin'],
    ['both, an API key', ['a'], ['x'], 'Bearer a', 'client'],
    ['both, an admin key', ['a'], ['x'], 'Bearer x', 'admin'],
    ['both, none', ['a'], ['x'], '', undefined],
  ])('%s', (_name, apiKeys, adminKeys, header, role) => {
    const authenticate = createAuthenticate({ apiKeys: named(apiKeys), adminKeys: named(adminKeys) });
    expect(authenticate(header)?.role).toBe(role);
  });

  test('and what it is called', () => {
    const apiKeys = [
      { name: 'web', key: 'old' },
      { name: 'web', key: 'new' },
      { name: 'batch', key: 'b' },
    ];
    const authenticate = createAuthenticate({ apiKeys, adminKeys: [{ name: 'ops', key: 'x' }] });
    expect(['old', 'new', 'b', 'x'].map((key) => authenticate(`Bearer ${key}`)?.key)).toEqual([
      'web',
      'web',
      'batch',
      'ops',
    ]);
    expect(createAuthenticate({ apiKeys: [], adminKeys: [] })('Bearer any')?.key).toBe('anonymous');
  });
});
