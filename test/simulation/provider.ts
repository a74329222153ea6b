import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../src/core/errors.ts';
import type {
  EmbedCallOptions,
  EmbeddedText,
  EmbeddingModel,
  FittedText,
  ModelSpec,
  ModelStatus,
} from '../../src/core/model.ts';
import type { Ledger, Payment } from './ledger.ts';
import type { SimProcess } from './process.ts';
import { type ModelScript, type Range, type Script, wordsOfLimit } from './script.ts';

/** USD for a token of a model that is not free. Thousandths, so that sums are exact enough to compare. */
export const usdPerToken = 0.001;

export function specOf(model: ModelScript): ModelSpec {
  return {
    name: model.name,
    provider: 'simulated',
    dimension: 3,
    maxBatchSize: model.maxBatchSize,
    maxInputTokens: wordsOfLimit + (model.prefixes ? 1 : 0),
    costPer1kTokens: model.free ? null : usdPerToken * 1_000,
    supportsDimensions: false,
    ...(model.prefixes ? { documentPrefix: 'passage: ', queryPrefix: 'query: ' } : {}),
  };
}

/** The text as it has to reach the provider. */
export function sentText(spec: ModelSpec, text: string, kind: 'doc' | 'query'): string {
  const prefix = (kind === 'query' ? spec.queryPrefix : spec.documentPrefix) ?? '';
  return cut(spec, prefix + text);
}

function cut({ maxInputTokens }: ModelSpec, text: string): string {
  return text.split(' ').slice(0, maxInputTokens).join(' ');
}

export function tokensOf(text: string): number {
  return text.split(' ').length;
}

/** What names a text of a model in the ledger. */
export function textId(model: string, sent: string): string {
  return `${model}/${sent}`;
}

/** A vector that only this text of this model has. */
export function vectorOf(model: string, sent: string): Float32Array {
  let hash = 0x811c9dc5;
  const id = textId(model, sent);
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return Float32Array.of(hash & 0xffff, (hash >>> 16) & 0xffff, id.length);
}

export interface ModelWorld {
  readonly script: Script;
  readonly ledger: Ledger;
  random(): number;
  later(ms: number, work: () => void): void;
  /** What the provider makes of a text: by its words, whatever its prefix. */
  natureOf(sent: string): 'plain' | 'poison' | 'refused' | 'long';
  /** The largest call that the process may make with this text in it. */
  capOf(process: SimProcess, id: string): number;
  /** Whether anybody of the process waits for this text. */
  isAwaited(process: SimProcess, id: string): boolean;
}

/** Milliseconds for which no batch larger than was accepted may be tried. */
const rememberMs = 60_000;

/** A model as one replica has it, with its retries, and the provider behind it. */
export class SimModel implements EmbeddingModel {
  readonly spec: ModelSpec;
  readonly deadlineMs: number | undefined;
  readonly #model: ModelScript;
  readonly #process: SimProcess;
  readonly #world: ModelWorld;
  readonly #othersWait: (model: SimModel) => boolean;
  #identity: Promise<string> | undefined;
  #inFlight = 0;
  #accepted = Number.POSITIVE_INFINITY;
  #largest = 0;
  #triedAt = 0;

  constructor(
    model: ModelScript,
    process: SimProcess,
    world: ModelWorld,
    othersWait: (model: SimModel) => boolean,
  ) {
    const { script } = world;
    this.spec = specOf(model);
    this.deadlineMs = script.deadlineMs;
    this.#model = model;
    this.#process = process;
    this.#world = world;
    this.#othersWait = othersWait;
  }

  get concurrency(): number {
    const { concurrency, adaptive } = this.#world.script;
    return adaptive && Math.floor(this.#process.now() / 37) % 2 === 0 ? 1 : concurrency;
  }

  status(): ModelStatus {
    return { available: true, loaded: true };
  }

  /** The first who asks waits for it, and so does whoever asks meanwhile. */
  identity(): Promise<string> {
    const { identityMs } = this.#world.script;
    this.#identity ??= new Promise((resolve) => {
      if (identityMs === 0) resolve(this.#model.name);
      else this.#process.receive(identityMs, () => resolve(this.#model.name));
    });
    return this.#identity;
  }

  async fit(texts: readonly string[]): Promise<FittedText[]> {
    await this.#takeTime(this.#world.script.fitMs);
    return texts.map((text) => {
      const fitted = cut(this.spec, text);
      return { text: fitted, maxTokens: 2 * tokensOf(fitted), truncated: fitted !== text };
    });
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    await this.#takeTime(this.#world.script.fitMs);
    return texts.map(tokensOf);
  }

  async embed(texts: readonly string[], options: EmbedCallOptions = {}): Promise<EmbeddedText[]> {
    const { ledger, script } = this.#world;
    this.#inFlight += 1;
    if (this.#inFlight > this.concurrency)
      ledger.violate(`${this.#inFlight} calls in flight where ${this.concurrency} are allowed`);
    this.#checkCall(texts, options);
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#call(texts);
        } catch (error) {
          if (error instanceof InputRefusedError || attempt >= script.retries) throw error;
          if (error instanceof ServerFailedError && options.retryServerFailures === false) throw error;
          await this.#takeTime([1, 10 * 2 ** attempt]);
        }
      }
    } finally {
      this.#inFlight -= 1;
    }
  }

  async close(): Promise<void> {}

  /** The provider takes less than its entry says: told by the log. */
  learned(accepted: number): void {
    this.#accepted = accepted;
    this.#triedAt = this.#process.now();
  }

  #checkCall(texts: readonly string[], { retryServerFailures }: EmbedCallOptions): void {
    const { ledger } = this.#world;
    if (texts.length > this.spec.maxBatchSize)
      ledger.violate(`a call of ${texts.length} texts where the model takes ${this.spec.maxBatchSize}`);
    if (texts.length === 0) ledger.violate('a call without texts');
    const caps = texts.map((text) => this.#world.capOf(this.#process, textId(this.spec.name, text)));
    if (texts.length > Math.min(...caps))
      ledger.violate(`a call of ${texts.length} texts where somebody asked for ${Math.min(...caps)}`);
    const { script } = this.#world;
    if (retryServerFailures !== false)
      for (const text of texts)
        if (!this.#world.isAwaited(this.#process, textId(this.spec.name, text)))
          ledger.violate(`${text} is sent, and nobody waits for it`);
    const capped = script.requests.some(({ items }) => items.some(({ maxBatchSize }) => maxBatchSize));
    const room = this.spec.maxBatchSize - texts.length;
    if (
      !capped &&
      !this.#model.trueLimit &&
      retryServerFailures !== false &&
      room > 0 &&
      this.#othersWait(this)
    )
      ledger.violate(`a call has room for ${room} more, and leaves texts waiting`);
    // Parts of a batch that was under way before may be larger than what has been learned since.
    if (retryServerFailures === false || texts.length <= Math.max(this.#accepted, this.#largest)) return;
    if (this.#process.now() - this.#triedAt < rememberMs && this.#accepted !== Number.POSITIVE_INFINITY)
      ledger.violate(`a call of ${texts.length} texts although no more than ${this.#accepted} are taken`);
    this.#triedAt = this.#process.now();
  }

  #takeTime([least, most]: Range): Promise<void> | undefined {
    if (most === 0) return undefined;
    const ms = Math.round(least + this.#world.random() * (most - least));
    return new Promise((resolve) => void this.#process.after(ms, resolve));
  }

  /** One call to the provider. It charges when it answers, and whoever it answers. */
  #call(texts: readonly string[]): Promise<EmbeddedText[]> {
    const { ledger, random, script, later } = this.#world;
    const process = this.#process;
    const name = `${process.name} ${this.spec.name}[${texts.join(', ')}]`;
    ledger.note(`provider: call ${name}`);
    const [least, most] = script.providerMs;
    // Some calls are much faster than others: they overtake.
    const ms = Math.round(least + random() * random() * (most - least));
    return new Promise((resolve, reject) => {
      later(ms, () => {
        const failure = this.#failureOf(texts);
        if (failure) {
          ledger.note(`provider: fails ${name}: ${failure.message}`);
          process.receive(0, () => reject(failure));
          return;
        }
        ledger.note(`provider: answers ${name}`);
        const payments = texts.map((sent): Payment => {
          const tokens = tokensOf(sent);
          const usd = this.#model.free ? 0 : tokens * usdPerToken;
          return { process: process.name, model: this.spec.name, sent, tokens, usd };
        });
        ledger.payments.push(...payments);
        for (const payment of payments) ledger.lost.add(payment);
        process.receive(0, () => {
          for (const payment of payments) ledger.lost.delete(payment);
          this.#largest = Math.max(this.#largest, texts.length);
          resolve(texts.map((sent) => ({ vector: vectorOf(this.spec.name, sent), tokens: tokensOf(sent) })));
        });
      });
    });
  }

  #failureOf(texts: readonly string[]): EmbedQLError | undefined {
    const { natureOf, random, script, ledger } = this.#world;
    if (texts.length > (this.#model.trueLimit ?? Number.POSITIVE_INFINITY))
      return new InputRefusedError('too many texts');
    if (script.transient > 0 && random() < script.transient) {
      for (const text of texts) ledger.mishaps.add(`${this.#process.name} ${textId(this.spec.name, text)}`);
      return random() < 0.5
        ? new ServerFailedError('a bad moment', random() < 0.5)
        : new EmbedQLError('PROVIDER_ERROR', 'no connection', { retryable: true });
    }
    const natures = texts.map(natureOf);
    if (natures.includes('refused')) return new InputRefusedError('refused');
    if (natures.includes('poison')) return new ServerFailedError('poisoned', false);
    return undefined;
  }
}
