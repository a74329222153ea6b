import { cacheKey } from '../../src/core/cache.ts';
import { EmbedQLError } from '../../src/core/errors.ts';
import type { Answer, ModelRequest } from '../../src/core/request.ts';
import { seeded, VirtualTime } from '../support/virtual-time.ts';
import { Account } from './accounts.ts';
import { happen } from './incidents.ts';
import { type Answered, checkAnswer, checkEnd } from './invariants.ts';
import { Ledger } from './ledger.ts';
import { SimProcess } from './process.ts';
import { type ModelWorld, sentText, specOf, textId } from './provider.ts';
import { SimRedis } from './redis.ts';
import { Replica } from './replica.ts';
import type { IncidentScript, ItemScript, RequestScript, Script, TextScript } from './script.ts';

/** What came of a world. */
export interface Run {
  readonly violations: readonly string[];
  /** Things that happened at a moment of virtual time. */
  readonly events: number;
  /** Names the order in which they happened. */
  readonly interleaving: number;
  /** The same for people; empty unless asked for. */
  readonly story: readonly string[];
  readonly payments: number;
  readonly excuses: number;
  readonly answers: number;
}

/** A request that was sent to a replica. */
export interface Asked {
  readonly name: string;
  readonly request: RequestScript;
  readonly replica: Replica;
  readonly at: number;
  /** Counts requests in the order in which they reached the core. */
  readonly order: number;
  aborted: boolean;
  answered: boolean;
}

/** How long a world may take until everybody has an answer: past every deadline, lease and pause that there is. */
const patienceMs = 300_000;

/** Runs the world of a script from its first request until nothing is left to happen, and checks it. */
export async function runWorld(script: Script, told = false): Promise<Run> {
  return new World(script, told).run();
}

export class World implements ModelWorld {
  readonly script: Script;
  readonly ledger: Ledger;
  readonly time: VirtualTime;
  /** All that there ever were. */
  readonly replicas: Replica[] = [];
  readonly accounts: Account[];
  readonly asked: Asked[] = [];
  readonly answers: Answered[] = [];
  readonly redis: SimRedis | undefined;
  readonly random: () => number;
  /** Those that clients reach. */
  readonly #serving: Replica[];
  readonly #natures = new Map<string, TextScript['nature']>();
  readonly #ids = new Map<string, string>();
  /** By process and text: the smallest batch that anybody has asked for. */
  readonly #caps = new Map<string, number>();

  constructor(script: Script, told: boolean) {
    this.script = script;
    this.time = new VirtualTime(script.seed);
    this.random = seeded(script.seed ^ 0x2545f491);
    this.ledger = new Ledger(() => this.time.now(), told);
    for (const { text, nature } of script.texts) {
      for (const model of script.models) {
        const spec = specOf(model);
        for (const kind of ['doc', 'query'] as const) {
          const sent = sentText(spec, text, kind);
          this.#natures.set(sent, nature);
          this.#ids.set(cacheKey(spec.name, kind, text), textId(spec.name, sent));
        }
      }
    }
    const world = { now: () => this.time.now(), random: this.random, later: this.later };
    this.redis = script.shared
      ? new SimRedis({ world, ledger: this.ledger, idOf: this.#idOf, latency: script.redisMs })
      : undefined;
    this.#serving = Array.from({ length: script.replicas }, (_, i) => this.#start(`r${i}`));
    this.accounts = script.keys.map((key) => new Account(key, this.ledger, script.reserveMs, this.random));
  }

  readonly #idOf = (key: string): string => this.#ids.get(key) ?? key;

  readonly later = (ms: number, work: () => void): void => void this.time.after(ms, work);

  readonly natureOf = (sent: string): TextScript['nature'] => this.#natures.get(sent) ?? 'plain';

  readonly capOf = (process: SimProcess, id: string): number =>
    this.#caps.get(`${process.name} ${id}`) ?? Number.POSITIVE_INFINITY;

  readonly isAwaited = (process: SimProcess, id: string): boolean =>
    this.asked.some(
      ({ answered, aborted, replica, request }) =>
        !answered &&
        !aborted &&
        replica.process === process &&
        request.items.some((item) => this.idOf(item) === id),
    );

  async run(): Promise<Run> {
    const { script, ledger, time } = this;
    // Connected before the first client comes; what a Redis that is not there at the start does is a test of its own.
    const ready = Promise.all(this.replicas.map((replica) => replica.ready()));
    await time.advance(400);
    await ready;
    const events = time.events;
    for (const [i, request] of script.requests.entries())
      this.later(request.at, () => this.#arrive(request, `q${i}`, request.again));
    for (const incident of script.incidents) this.later(incident.at, () => this.#happen(incident));
    const last = Math.max(
      0,
      ...script.requests.map(({ at }) => at),
      ...script.incidents.map(({ at, ms }) => at + ms),
    );
    await time.advance(last + 1);
    for (let waited = 0; waited < patienceMs && this.#busy; waited += 100) await time.advance(100);
    // Money that was set aside for somebody who has been answered comes back; leases that nobody renews end within 3 s.
    if (!this.#busy) await time.advance(this.redis ? 4_500 : 500);
    const happened = time.events - events;
    checkEnd(this);
    return {
      violations: ledger.violations,
      events: happened,
      interleaving: ledger.interleaving,
      story: ledger.story,
      payments: ledger.payments.length,
      excuses: [...ledger.excuses.values()].reduce((sum, { length }) => sum + length, 0),
      answers: this.answers.length,
    };
  }

  get living(): Replica[] {
    return this.replicas.filter(({ process }) => !process.dead);
  }

  /** Whether anybody waits, or any replica still has something to do. */
  get #busy(): boolean {
    return (
      this.asked.some(({ answered, replica }) => !answered && !replica.process.dead) ||
      this.living.some(({ embedder }) => embedder.underWay > 0)
    );
  }

  /** A client asks the replica that it is meant for, or another where that one is dead. */
  #arrive(request: RequestScript, name: string, again: number): void {
    const meant = this.#serving[request.replica]!;
    const replica = meant.process.dead ? this.living[0] : meant;
    if (!replica) return;
    replica.process.receive(0, () => void this.#ask(request, replica, name, again));
  }

  async #ask(request: RequestScript, replica: Replica, name: string, again: number): Promise<void> {
    const { ledger, time, asked, script } = this;
    const { process, embedder } = replica;
    const one: Asked = {
      name,
      request,
      replica,
      at: time.now(),
      order: asked.length,
      aborted: false,
      answered: false,
    };
    asked.push(one);
    ledger.note(
      `${name}: asks ${process.name} for ${request.items.map((item) => describe(item)).join(', ')}`,
    );
    for (const item of request.items) this.#foresee(item, process);
    // What comes before a text joins its flight.
    const aheadMs = script.drawMs + script.identityMs + 1;
    const draw = () =>
      script.drawMs > 0
        ? new Promise<void>((resolve) => void process.receive(script.drawMs, resolve))
        : undefined;
    const controller = new AbortController();
    if (request.abortMs !== undefined)
      process.after(request.abortMs, () => {
        if (one.answered) return;
        ledger.note(`${name}: goes away`);
        one.aborted = true;
        controller.abort();
        const left = time.now();
        process.after(aheadMs, () => {
          if (!one.answered && process.ranSince(left))
            ledger.violate(`${name}: has gone, and is still waited for`);
        });
      });
    const requests = request.items.map((item): ModelRequest => {
      const { text, kind, useCache, truncate, maxBatchSize } = this.#itemOf(item);
      return { model: replica.models[item.model]!, text, kind, useCache, truncate, maxBatchSize };
    });
    const payer = this.accounts[request.key]!.payer(process);
    let answers: Array<Answer | EmbedQLError>;
    try {
      answers = await embedder.embedMany(requests, { draw, signal: controller.signal, payer });
    } catch (error) {
      ledger.violate(`${name}: embedMany rejects: ${error instanceof Error ? error.stack : error}`);
      return;
    }
    one.answered = true;
    const waited = time.now() - one.at;
    if (process.ranSince(one.at) && waited > (script.deadlineMs ?? Number.POSITIVE_INFINITY) + aheadMs)
      ledger.violate(`${name}: waits for ${waited} ms where ${script.deadlineMs} are the deadline`);
    ledger.note(`${name}: has ${answers.map(describeAnswer).join(', ')}`);
    if (answers.length !== requests.length) ledger.violate(`${name}: ${answers.length} answers`);
    for (const [i, item] of request.items.entries()) checkAnswer(this, one, item, answers[i]);
    if (again > 0) await this.#ask(request, replica, `${name}'`, again - 1);
  }

  #itemOf(item: ItemScript) {
    return { ...item, text: this.script.texts[item.text]!.text };
  }

  idOf({ model, text, kind }: ItemScript): string {
    const spec = specOf(this.script.models[model]!);
    return textId(spec.name, sentText(spec, this.script.texts[text]!.text, kind));
  }

  /** What a request allows, and asks of, the calls that are made for it. */
  #foresee(item: ItemScript, process: SimProcess): void {
    const id = this.idOf(item);
    if (!item.useCache) this.ledger.excuse(this.payableId(id, process), 'the cache was not asked for it');
    const key = `${process.name} ${id}`;
    const cap = item.maxBatchSize ?? Number.POSITIVE_INFINITY;
    // Whoever comes first decides; so no call may be larger than the most generous of those who asked.
    this.#caps.set(key, Math.max(cap, this.#caps.get(key) ?? 0));
  }

  /** What has to be paid once: a text, by all replicas together where they share a cache. */
  payableId(id: string, process: { readonly name: string }): string {
    return this.redis ? id : `${process.name} ${id}`;
  }

  #happen(incident: IncidentScript): void {
    const { process } = this.#serving[incident.replica]!;
    this.ledger.note(`${incident.what} (${process.name}, ${incident.ms} ms)`);
    happen(incident, {
      process,
      redis: this.redis,
      later: this.later,
      restart: () => this.#restart(incident.replica),
    });
  }

  /** A process that takes the place of one that was killed, and knows nothing. */
  #restart(place: number): void {
    if (!this.#serving[place]!.process.dead) return;
    const replica = this.#start(`${this.#serving[place]!.process.name}'`);
    this.#serving[place] = replica;
  }

  #start(name: string): Replica {
    const process = new SimProcess(name, this.time);
    const replica = new Replica({
      process,
      world: this,
      idOf: this.#idOf,
      commands: this.redis?.connect(process),
    });
    this.replicas.push(replica);
    return replica;
  }
}

function describe({ model, text, kind, useCache, truncate }: ItemScript): string {
  const notes = `${useCache ? '' : ' uncached'}${truncate ? '' : ' whole'}`;
  return `${kind} t${text}${model > 0 ? ` of m${model}` : ''}${notes}`;
}

function describeAnswer(answer: Answer | EmbedQLError | undefined): string {
  if (answer === undefined) return 'nothing';
  return answer instanceof EmbedQLError ? answer.code : `${answer.source} ${answer.costUsd}`;
}
