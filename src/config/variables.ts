import { z } from 'zod';
import { type KeyLimits, parseKeyLimits } from '../admission/key-limits.ts';
import type { NamedKey } from '../admission/keys.ts';

/** One environment variable: how it is read, and how people are told of it. */
export interface Variable<Value> {
  /** From the text, or from undefined where it is not set; throws an Error with the problem as its message. */
  read(text: string | undefined): Value;
  example: string;
  /** The values that it takes, as they follow on "expected": with units and bounds. */
  expected: string;
  /** What holds where it is not set, as a person would write it; undefined where nothing does. */
  default?: string | undefined;
  /** A secret's value is never repeated in a message. */
  secret?: boolean;
}

/** A whole number in a range. Every number has a bound that its use can bear. */
export function wholeNumber(fallback: number, unit: string, least: number, most: number): Variable<number> {
  const expected = `a whole number of ${unit}, ${least} to ${most}`;
  return {
    example: String(fallback),
    default: String(fallback),
    expected,
    read(text) {
      if (text === undefined) return fallback;
      const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (number >= least && number <= most) return number;
      throw new Error(`expected ${expected}`);
    },
  };
}

export function onOff(fallback: boolean): Variable<boolean> {
  return {
    example: fallback ? 'off' : 'on',
    default: fallback ? 'on' : 'off',
    expected: 'on or off',
    read(text) {
      if (text === undefined) return fallback;
      const value = text.toLowerCase();
      if (['on', 'true', '1', 'yes'].includes(value)) return true;
      if (['off', 'false', '0', 'no'].includes(value)) return false;
      throw new Error('expected on or off');
    },
  };
}

export function oneOf<Choice extends string>(choices: readonly Choice[], fallback: Choice): Variable<Choice> {
  const expected = `one of ${choices.join(', ')}`;
  return {
    example: fallback,
    default: fallback,
    expected,
    read(text) {
      const choice = choices.find((candidate) => candidate === (text ?? fallback).toLowerCase());
      if (choice === undefined) throw new Error(`expected ${expected}`);
      return choice;
    },
  };
}

/**
 * Any text.
 * @param expected what the text is: a path, a name
 * @param shown the default as a person would write it, where that is not the value itself
 */
export function anyText<Fallback extends string | undefined>(
  expected: string,
  fallback: Fallback,
  example: string,
  shown: string | undefined = fallback,
): Variable<string | Fallback> {
  return { example, expected, default: shown, read: (text) => text ?? fallback };
}

/**
 * Keys with commas between them, each with or without a name: `name:key`. Several keys may have the same name, as
 * while one is replaced by another. A key without a name is called by its place, such as `key-2`.
 */
export function keyList(example: string, unnamed: string): Variable<readonly NamedKey[]> {
  const expected = 'keys with commas between them, none empty, each alone or as name:key';
  return {
    example,
    expected,
    secret: true,
    read(text) {
      if (text === undefined) return [];
      return text.split(',').map((item, i) => {
        const [, name = `${unnamed}-${i + 1}`, named, alone] =
          /^(?:([\w.-]{1,64}):(\S+)|([^\s:]+))$/.exec(item.trim()) ?? [];
        const key = named ?? alone;
        if (key === undefined) throw new Error(`expected ${expected}`);
        return { name, key };
      });
    },
  };
}

/** Modules to import, packages or files, with commas between them. */
export function moduleNames(example: string): Variable<readonly string[]> {
  const expected = 'packages or ./files with commas between them, none empty';
  return {
    example,
    expected,
    read(text) {
      if (text === undefined) return [];
      const names = text.split(',').map((item) => item.trim());
      if (names.every((name) => name !== '')) return names;
      throw new Error(`expected ${expected}`);
    },
  };
}

/** Addresses of web pages, `https://app.example`, with commas between them. */
export function origins(example: string): Variable<readonly string[]> {
  const expected = 'origins such as https://app.example, without a path, with commas between them';
  return {
    example,
    expected,
    read(text) {
      if (text === undefined) return [];
      return text.split(',').map((item) => {
        const origin = item.trim();
        if (!httpUrl.safeParse(origin).success || new URL(origin).origin !== origin)
          throw new Error(`expected ${expected}`);
        return origin;
      });
    },
  };
}

export function keyLimits(example: string): Variable<KeyLimits> {
  return {
    example,
    expected:
      'names of keys, each with texts a minute, USD a day, USD a month or several of these, with commas between them',
    read: (text) => (text === undefined ? new Map() : parseKeyLimits(text)),
  };
}

const httpUrl = z.url({ protocol: /^https?$/ });

/** @param shown the default as a person would say it */
export function url(example: string, shown: string): Variable<string | undefined> {
  const expected = 'an http:// or https:// address';
  return {
    example,
    expected,
    default: shown,
    read(text) {
      if (text === undefined || httpUrl.safeParse(text).success) return text;
      throw new Error(`expected ${expected}`);
    },
  };
}
