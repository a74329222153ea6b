import { z } from 'zod';
import { type KeyLimits, parseKeyLimits } from '../admission/key-limits.ts';
import type { NamedKey } from '../admission/keys.ts';

/** One environment variable: how it is read, and what to show somebody who got it wrong. */
export interface Variable<Value> {
  /** From the text, or from undefined where it is not set; throws an Error with the problem as its message. */
  read(text: string | undefined): Value;
  example: string;
  /** A secret's value is never repeated in a message. */
  secret?: boolean;
}

/** A whole number in a range. */
export function wholeNumber(
  fallback: number,
  unit: string,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): Variable<number> {
  const upTo = most === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${most}`;
  return {
    example: String(fallback),
    read(text) {
      if (text === undefined) return fallback;
      const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (number >= least && number <= most) return number;
      throw new Error(`expected a whole number of ${unit}, ${least} ${upTo}`);
    },
  };
}

export function onOff(fallback: boolean): Variable<boolean> {
  return {
    example: fallback ? 'off' : 'on',
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
  return {
    example: fallback,
    read(text) {
      const choice = choices.find((candidate) => candidate === (text ?? fallback).toLowerCase());
      if (choice === undefined) throw new Error(`expected one of ${choices.join(', ')}`);
      return choice;
    },
  };
}

export function anyText<Fallback extends string | undefined>(
  fallback: Fallback,
  example: string,
): Variable<string | Fallback> {
  return { example, read: (text) => text ?? fallback };
}

/**
 * Keys with commas between them, each with or without a name: `name:key`. Several keys may have the same name, as
 * while one is replaced by another. A key without a name is called by its place, such as `key-2`.
 */
export function keyList(example: string, unnamed: string): Variable<readonly NamedKey[]> {
  return {
    example,
    secret: true,
    read(text) {
      if (text === undefined) return [];
      return text.split(',').map((item, i) => {
        const [, name = `${unnamed}-${i + 1}`, named, alone] =
          /^(?:([\w.-]{1,64}):(\S+)|([^\s:]+))$/.exec(item.trim()) ?? [];
        const key = named ?? alone;
        if (key === undefined)
          throw new Error('expected keys with commas between them, none empty, each alone or as name:key');
        return { name, key };
      });
    },
  };
}

/** Modules to import, packages or files, with commas between them. */
export function moduleNames(example: string): Variable<readonly string[]> {
  return {
    example,
    read(text) {
      if (text === undefined) return [];
      const names = text.split(',').map((item) => item.trim());
      if (names.every((name) => name !== '')) return names;
      throw new Error('expected packages or ./files with commas between them, none empty');
    },
  };
}

/** Addresses of web pages, `https://app.example`, with commas between them. */
export function origins(example: string): Variable<readonly string[]> {
  return {
    example,
    read(text) {
      if (text === undefined) return [];
      return text.split(',').map((item) => {
        const origin = item.trim();
        if (!httpUrl.safeParse(origin).success || new URL(origin).origin !== origin)
          throw new Error(
            'expected origins such as https://app.example, without a path, with commas between them',
          );
        return origin;
      });
    },
  };
}

export function keyLimits(example: string): Variable<KeyLimits> {
  return { example, read: (text) => (text === undefined ? new Map() : parseKeyLimits(text)) };
}

const httpUrl = z.url({ protocol: /^https?$/ });

export function url(example: string): Variable<string | undefined> {
  return {
    example,
    read(text) {
      if (text === undefined || httpUrl.safeParse(text).success) return text;
      throw new Error('expected an http:// or https:// address');
    },
  };
}

/** One `redis://` or `rediss://` address, or those of a cluster's nodes with commas between them. */
export function redisUrls(example: string): Variable<readonly string[]> {
  const redisUrl = z.url({ protocol: /^rediss?$/ });
  return {
    example,
    secret: true,
    read(text) {
      if (text === undefined) return [];
      const urls = text.split(',').map((item) => item.trim());
      if (urls.every((item) => redisUrl.safeParse(item).success)) return urls;
      throw new Error('expected a redis:// or rediss:// address, or several with commas between them');
    },
  };
}
