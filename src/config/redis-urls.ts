import type { Variable } from './variables.ts';

const encode = 'write / # ? @ % , in it as %2F %23 %3F %40 %25 %2C';

/**
 * One `redis://` or `rediss://` address, those of a cluster's nodes with commas between them, or one
 * `redis-sentinel://host,host/master-name`, commas included. What is said of a wrong one never repeats it: it may hold a password.
 */
export function redisUrls(example: string): Variable<readonly string[]> {
  return {
    example,
    expected:
      'a redis://, rediss:// or redis-sentinel:// address, or the addresses of several nodes with commas between them',
    secret: true,
    read(text) {
      if (text === undefined) return [];
      if (/^redis-sentinel:/i.test(text)) {
        checkSentinel(text);
        return [text];
      }
      const items = text.split(',').map((item) => item.trim());
      for (const [i, item] of items.entries())
        checkAddress(
          item,
          items.length === 1 ? 'the address' : `address ${i + 1} of ${items.length}`,
          items.length,
        );
      return items;
    },
  };
}

function checkAddress(item: string, name: string, count: number): void {
  if (item === '') throw new Error(`${name} is empty; there is a comma too many`);
  const [, rest] = /^rediss?:\/\/(.*)$/is.exec(item) ?? [];
  if (rest === undefined) {
    throw new Error(
      count === 1
        ? 'expected an address that begins with redis://, rediss:// or redis-sentinel://'
        : `${name} does not begin with redis:// or rediss://; where it is part of a password, ${encode}`,
    );
  }
  const [host = '', database = ''] = afterCredentials(rest, name)
    .split(/[?#]/, 1)[0]!
    .split(/\/(.*)/s);
  checkHost(host, name);
  checkDatabase(database, name);
  if (count > 1 && Number(database) > 0)
    throw new Error(`${name} names database ${Number(database)}, and a cluster has only database 0`);
}

function checkSentinel(text: string): void {
  const rest = afterCredentials(text.replace(/^redis-sentinel:(?:\/\/)?/i, ''), 'the address', true);
  const [path = '', query = ''] = rest.split(/\?(.*)/s);
  const [hosts = '', name = '', database = ''] = path.split('/');
  const list = hosts.split(',');
  for (const [i, host] of list.entries()) checkHost(host, `Sentinel ${i + 1} of ${list.length}`);
  if (name === '' || !isEncoded(name))
    throw new Error(
      'expected the name of the master behind the Sentinels, as in redis-sentinel://host:26379/mymaster',
    );
  checkDatabase(database, 'the address');
  if (!isEncoded(query))
    throw new Error(`the sentinelPassword has a % that is not percent-encoded; ${encode}`);
  const unknown = [...new URLSearchParams(query).keys()].find((key) => key !== 'sentinelPassword');
  if (unknown !== undefined) throw new Error('expected no option but sentinelPassword after the ?');
}

/** What stands behind the user and password, which must be percent-encoded. A password of Sentinel's may have an @ in it. */
function afterCredentials(rest: string, name: string, hasQuery = false): string {
  const query = hasQuery ? rest.lastIndexOf('?') : -1;
  const at = (query === -1 ? rest : rest.slice(0, query)).lastIndexOf('@');
  const credentials = rest.slice(0, Math.max(0, at));
  if (/[/#?@,\s]/.test(credentials) || !isEncoded(credentials))
    throw new Error(`the password of ${name} has a character that must be percent-encoded; ${encode}`);
  return rest.slice(at + 1);
}

function checkHost(host: string, name: string): void {
  const [, address, port] = /^(\[[\da-f:.]+\]|[^:[\]@\s%]+)(?::(\d{1,5}))?$/i.exec(host.trim()) ?? [];
  if (address === undefined)
    throw new Error(`${name} has no host, or a port that is not a number; in a password, ${encode}`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    throw new Error(`the port of ${name} is not one from 1 to 65535`);
}

function checkDatabase(database: string, name: string): void {
  if (!/^\d{0,6}$/.test(database))
    throw new Error(`the database of ${name} is not a number, as in redis://host:6379/2`);
}

function isEncoded(text: string): boolean {
  return !/%(?![\da-f]{2})/i.test(text) && decodes(text);
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
