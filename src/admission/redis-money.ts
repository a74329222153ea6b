import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { MoneyHold, MoneyRequest, MoneyStore } from './money.ts';

/** A connection that may be replaced by another while it is used. */
export interface SharedRedis {
  readonly client: Redis | Cluster;
}

/** Seconds that a day's books are kept: longer than any reservation lives past midnight. */
const keptSeconds = 2 * 86_400;

/**
 * KEYS: the day's books of a key (spent, held, and each reservation by id), its reservations by the time they end.
 * ARGV: now and the end of this reservation in milliseconds, limit, id, seconds to keep, then the amounts.
 */
const holdScript = `
  local books, ends = KEYS[1], KEYS[2]
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', ARGV[1])) do
    local amount = tonumber(redis.call('HGET', books, id) or '0')
    redis.call('HINCRBY', books, 'held', string.format('%.0f', -amount))
    redis.call('HDEL', books, id)
    redis.call('ZREM', ends, id)
  end
  local spent = tonumber(redis.call('HGET', books, 'spent') or '0')
  local held = tonumber(redis.call('HGET', books, 'held') or '0')
  local left = tonumber(ARGV[3]) - spent - held
  local sum, granted = 0, 0
  for i = 6, #ARGV do
    local amount = tonumber(ARGV[i])
    if sum + amount > left then break end
    sum = sum + amount
    granted = granted + 1
  end
  if sum > 0 then
    local text = string.format('%.0f', sum)
    redis.call('HINCRBY', books, 'held', text)
    redis.call('HINCRBY', books, ARGV[4], text)
    redis.call('ZADD', ends, ARGV[2], ARGV[4])
    redis.call('EXPIRE', books, ARGV[5])
    redis.call('EXPIRE', ends, ARGV[5])
  end
  return granted`;

/** KEYS as above. ARGV: id, what was reserved, what was spent, seconds to keep. */
const settleScript = `
  local books, ends = KEYS[1], KEYS[2]
  local known = tonumber(redis.call('HGET', books, ARGV[1]) or '0')
  local back = math.min(known, tonumber(ARGV[2]))
  if back > 0 then
    local text = string.format('%.0f', -back)
    redis.call('HINCRBY', books, 'held', text)
    redis.call('HINCRBY', books, ARGV[1], text)
  end
  if known <= back then
    redis.call('HDEL', books, ARGV[1])
    redis.call('ZREM', ends, ARGV[1])
  end
  if tonumber(ARGV[3]) > 0 then redis.call('HINCRBY', books, 'spent', ARGV[3]) end
  redis.call('EXPIRE', books, ARGV[4])`;

/**
 * Books that replicas share. Reservations of a process that died are given back when their time is over.
 * @param holdMs milliseconds after which a reservation that nobody settled ends
 */
export function redisMoney(redis: SharedRedis, holdMs: number): MoneyStore {
  const keysOf = ({ key, day }: MoneyRequest) => {
    const books = `{embedql}:money:${key}:${day}`;
    return [books, `${books}:ends`] as const;
  };

  return {
    async hold(request): Promise<MoneyHold> {
      const keys = keysOf(request);
      const id = randomUUID();
      const now = Date.now();
      const numbers = [now, now + holdMs, request.limit, id, keptSeconds, ...request.amounts];
      const granted = Number(await redis.client.eval(holdScript, 2, ...keys, ...numbers.map(String)));
      let reserved = 0;
      let spent = 0;
      // Texts of one batch come back in one moment: one command books them all.
      const book = () => {
        const amounts = [reserved, spent].map(String);
        reserved = 0;
        spent = 0;
        // A Redis that is away loses the booking; the reservation then ends by itself.
        redis.client.eval(settleScript, 2, ...keys, id, ...amounts, String(keptSeconds)).catch(() => {});
      };
      return {
        granted,
        settle(givenBack, paid) {
          if (reserved === 0 && spent === 0) queueMicrotask(book);
          reserved += givenBack;
          spent += paid;
        },
      };
    },
  };
}
