// What 10^6 to 10^9 texts a day ask for: replicas, Redis, network and money, from figures that the other benches measured.
//   npm run scale-model                                   the table of docs/scale.md
//   npm run scale-model -- --corpus 1e7 --exponent 0.8    another load
//   npm run scale-model -- --check                        1, 2 and 4 processes here against the model; ends with 1 past 25 %
import { parseArgs } from 'node:util';
import { checkModel } from './model/check.ts';
import { fleetFor, type Load } from './model/fleet.ts';
import { print, table } from './report.ts';

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    corpus: { type: 'string' },
    exponent: { type: 'string', default: '0.9' },
    tokens: { type: 'string', default: '100' },
    price: { type: 'string', default: '0.02' },
    ttl: { type: 'string', default: '7' },
    'texts-a-request': { type: 'string', default: '1' },
    peak: { type: 'string', default: '3' },
  },
});

const digits = (value: number) => {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  let rest = value;
  for (; rest >= 1_000 && unit < units.length - 1; unit++) rest /= 1_000;
  return `${rest >= 100 || Number.isInteger(rest) ? Math.round(rest) : rest.toPrecision(2)}${units[unit]}`;
};
const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

if (values.check) process.exit((await checkModel()) ? 0 : 1);

const load = (textsADay: number): Load => ({
  textsADay,
  corpus: Number(values.corpus ?? textsADay),
  exponent: Number(values.exponent),
  tokensAText: Number(values.tokens),
  usdPerMillionTokens: Number(values.price),
  ttlDays: Number(values.ttl),
  textsARequest: Number(values['texts-a-request']),
  peak: Number(values.peak),
});

print(
  `Zipf ${values.exponent} over ${values.corpus ?? 'as many texts as are asked for in a day'}; ${values.tokens} tokens a text at ` +
    `${values.price} USD a million; kept ${values.ttl} days; ${values['texts-a-request']} texts a request; peak ${values.peak}×`,
);
const days = [1e6, 1e7, 1e8, 1e9];
const fleets = days.map((textsADay) => fleetFor(load(textsADay)));
table(
  ['a day', ...days.map(digits)],
  [
    ['replicas (a core each)', ...fleets.map(({ replicas }) => String(replicas))],
    ['hit rate', ...fleets.map(({ hitRate }) => percent(hitRate))],
    ['of all, from memory', ...fleets.map(({ fromMemory }) => percent(fromMemory))],
    ['USD a day', ...fleets.map(({ usdADay }) => digits(usdADay))],
    ['Redis, bytes', ...fleets.map(({ redisBytes }) => digits(redisBytes))],
    ['look-ups a second at peak', ...fleets.map(({ scriptsASecond }) => digits(scriptsASecond))],
    ['writes a second at peak', ...fleets.map(({ writesASecond }) => digits(writesASecond))],
    ['bytes a second at peak', ...fleets.map(({ redisBytesASecond }) => digits(redisBytesASecond))],
    ['ledger writes a second', ...fleets.map(({ ledgerWritesASecond }) => digits(ledgerWritesASecond))],
    ['one Redis: processor', ...fleets.map(({ redisUse }) => percent(redisUse.scripts))],
    ['one Redis: network', ...fleets.map(({ redisUse }) => percent(redisUse.network))],
    ['one Redis: memory', ...fleets.map(({ redisUse }) => percent(redisUse.memory))],
  ],
);
