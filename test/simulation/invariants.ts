import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../src/core/errors.ts';
import type { Answer } from '../../src/core/request.ts';
import { whole } from './accounts.ts';
import { tokensOf, vectorOf } from './provider.ts';
import type { ItemScript } from './script.ts';
import type { Asked, World } from './world.ts';

/** A text that was answered with a vector. */
export interface Answered {
  readonly asked: Asked;
  readonly id: string;
  readonly answer: Answer;
}

/** What must be true of an answer in the moment in which it is given. */
export function checkAnswer(
  world: World,
  asked: Asked,
  item: ItemScript,
  answer: Answer | EmbedQLError | undefined,
): void {
  const { ledger, script } = world;
  const wrong = (what: string) => ledger.violate(`${asked.name}: ${what}`);
  const id = world.idOf(item);
  const { nature } = script.texts[item.text]!;
  if (answer === undefined) {
    wrong('a text has no answer');
    return;
  }
  if (answer instanceof EmbedQLError) {
    const excused = mayFail(world, asked, item, answer);
    if (!excused) wrong(`t${item.text} fails without a reason: ${answer.code} ${answer.message}`);
    return;
  }
  world.answers.push({ asked, id, answer });
  const slash = id.indexOf('/');
  const [model, sent] = [id.slice(0, slash), id.slice(slash + 1)];
  const expected = vectorOf(model, sent);
  if (!expected.every((number, i) => number === answer.vector[i]))
    wrong(`t${item.text} has another's vector`);
  if (answer.tokens !== tokensOf(sent)) wrong(`t${item.text} has ${answer.tokens} tokens`);
  if (answer.truncated !== (nature === 'long'))
    wrong(`t${item.text} is said to be ${answer.truncated ? '' : 'un'}cut`);
  if (nature === 'long' && !item.truncate) wrong(`t${item.text} was cut though that was refused`);
  if (nature === 'poison' || nature === 'refused') wrong(`t${item.text} cannot have a vector`);
  const computed = answer.source === 'provider';
  if (computed !== (answer.call !== undefined))
    wrong('an answer has no call, or one that it did not come from');
  if (!computed && answer.costUsd !== 0) wrong('what the cache had is shown with a cost');
  if (!computed && !item.useCache) wrong(`t${item.text} came out of the cache though that was refused`);
  if (!computed && !ledger.payments.some((payment) => payment.model === model && payment.sent === sent))
    wrong(`t${item.text} is said to be cached, and nobody has computed it`);
}

/** Whether a text may fail like this. */
function mayFail(world: World, asked: Asked, item: ItemScript, error: EmbedQLError): boolean {
  const { script, ledger } = world;
  const { nature } = script.texts[item.text]!;
  const { process } = asked.replica;
  switch (error.code) {
    case 'INTERNAL_SERVER_ERROR':
      return asked.aborted;
    case 'TEXT_TOO_LONG':
      return nature === 'long' && !item.truncate;
    case 'RATE_LIMITED':
      return script.keys[asked.request.key]!.limit !== undefined;
    case 'OVERLOADED':
      return script.queueLimit < 100;
    case 'PROVIDER_TIMEOUT':
      return script.deadlineMs !== undefined && world.time.now() - asked.at >= script.deadlineMs;
    case 'PROVIDER_ERROR':
      if (nature === 'refused' && error instanceof InputRefusedError) return true;
      if (nature === 'poison' && error instanceof ServerFailedError) return true;
      return ledger.mishaps.has(`${process.name} ${world.idOf(item)}`);
    default:
      return false;
  }
}

/** What must be true once nothing is left to happen. */
export function checkEnd(world: World): void {
  checkNothingLeft(world);
  checkPaidOnce(world);
  checkBooks(world);
  checkCosts(world);
}

function checkNothingLeft({ asked, living, redis, ledger, accounts }: World): void {
  for (const { name, answered, replica } of asked)
    if (!answered && !replica.process.dead) ledger.violate(`${name}: was never answered`);
  for (const { embedder, process } of living) {
    if (embedder.underWay > 0) ledger.violate(`${process.name}: ${embedder.underWay} flights never end`);
    for (const { texts } of embedder.queueDepths())
      if (texts > 0) ledger.violate(`${process.name}: ${texts} texts stay in the queue`);
  }
  for (const { key, process } of redis?.leases() ?? [])
    if (!process.dead) ledger.violate(`${process.name}: keeps the lease on ${key}`);
  for (const { key, open } of accounts)
    if (open > 0) ledger.violate(`${key.name}: ${open} reservations are neither settled nor released`);
}

function checkPaidOnce(world: World): void {
  const { ledger } = world;
  const paid = new Map<string, number>();
  for (const { process, model, sent } of ledger.payments) {
    const id = world.payableId(`${model}/${sent}`, { name: process });
    paid.set(id, (paid.get(id) ?? 0) + 1);
  }
  for (const [id, times] of paid) {
    const excuses = ledger.excuses.get(id) ?? [];
    if (times > 1 + excuses.length)
      ledger.violate(`${id} was paid ${times} times; excuses: ${excuses.join(', ') || 'none'}`);
  }
}

/** The provider's bill, what was charged to keys, and what the events say are the same. */
function checkBooks({ ledger, replicas, accounts, answers, asked }: World): void {
  for (const { process, told } of replicas) {
    const { name } = process;
    const bill = ledger.payments.filter((payment) => payment.process === name && !ledger.lost.has(payment));
    const usd = bill.reduce((sum, payment) => sum + whole(payment.usd), 0);
    const tokens = bill.reduce((sum, payment) => sum + payment.tokens, 0);
    const charged = accounts.reduce((sum, account) => sum + (account.charged.get(name) ?? 0), 0);
    if (charged !== usd) ledger.violate(`${name}: ${charged} charged to keys, where the bill says ${usd}`);
    if (told.tokens !== tokens || told.computed !== bill.length)
      ledger.violate(`${name}: ${told.computed} texts told, ${bill.length} billed`);
    if (process.dead || asked.some(({ replica, aborted }) => aborted && replica.process === process))
      continue;
    const hits = answers.filter(
      ({ asked, answer }) => asked.replica.process === process && answer.source !== 'provider',
    ).length;
    if (told.hits !== hits) ledger.violate(`${name}: ${told.hits} hits told where ${hits} were given`);
  }
  for (const { key, charged, spent } of accounts) {
    const sum = [...charged.values()].reduce((sum, usd) => sum + usd, 0);
    if (key.limit !== undefined && sum !== spent)
      ledger.violate(`${key.name}: ${sum} charged, ${spent} of what was set aside spent`);
  }
}

/** A payment is shown to the first who waited and can pay, to nobody else, and charged to the same. */
function checkCosts(world: World): void {
  const { ledger, answers, accounts, script } = world;
  const calls = new Map<object, Map<string, Answered[]>>();
  for (const one of answers) {
    const { call } = one.answer;
    if (!call) continue;
    const byText = calls.get(call) ?? new Map<string, Answered[]>();
    calls.set(call, byText);
    const same = byText.get(one.id);
    if (same) same.push(one);
    else byText.set(one.id, [one]);
  }
  const shown = new Map<string, number>();
  for (const byText of calls.values()) {
    for (const [id, same] of byText) {
      const inOrder = same.sort((a, b) => a.asked.order - b.asked.order);
      const free = script.models.some(({ name, free }) => free && id.startsWith(`${name}/`));
      const carriers = inOrder.filter(({ answer }) => answer.costUsd > 0);
      if (carriers.length > 1) ledger.violate(`${id}: its cost is shown ${carriers.length} times`);
      for (const { answer, asked } of carriers) {
        const { name } = script.keys[asked.request.key]!;
        shown.set(name, (shown.get(name) ?? 0) + whole(answer.costUsd));
        if (whole(answer.costUsd) !== answer.tokens) ledger.violate(`${id}: ${answer.costUsd} USD are shown`);
      }
      const first = inOrder[0]!.asked;
      const limited = script.keys[first.request.key]!.limit !== undefined;
      // One that carried the cost of this text, and still waited for others when the process died, has no answer.
      if (first.replica.process.dead) continue;
      if (!free && !limited && carriers[0]?.asked !== first)
        ledger.violate(`${id}: ${first.name} was the first who waited, and does not carry the cost`);
    }
  }
  for (const { key, charged } of accounts) {
    const sum = [...charged.values()].reduce((sum, usd) => sum + usd, 0);
    const cost = shown.get(key.name) ?? 0;
    if (cost > sum) ledger.violate(`${key.name}: answers say ${cost}, charged were ${sum}`);
  }
}
