import type { ErrorCode } from './errors.ts';

export interface ProviderCall {
  model: string;
  /** Texts in the call. */
  texts: number;
  seconds: number;
  outcome: 'ok' | ErrorCode;
  /** Which of the model's endpoints was called; undefined for a model on this machine. */
  endpoint?: string | undefined;
}

/** An endpoint was asked for the vector of a fixed text, to see whether it serves the model that it should. */
export interface CanaryCall {
  model: string;
  endpoint: string;
  seconds: number;
  outcome: 'ok' | ErrorCode;
  /** Tokens that were charged. */
  tokens: number;
  /** Whether they are an estimate. */
  tokensEstimated: boolean;
}

/** What happens in the core, told as it happens; accounting and telemetry listen. */
export interface EmbedderEvents {
  /** Texts were answered from the cache; `tokens` is what the provider would have charged for them. */
  cacheHits(model: string, tier: string, texts: number, tokens: number): void;
  /** Texts looked up and not found, whose computation was started. */
  cacheMisses(model: string, texts: number): void;
  /** Texts that joined a computation that was under way already. */
  joined(model: string, texts: number): void;
  /**
   * Vectors that came back from the provider, and the tokens charged for them.
   * @param tokensEstimated how many of the tokens are an estimate, because the provider did not say
   * @param inBatch whether they came in a batch of the provider, at the price of batches
   */
  computed(model: string, texts: number, tokens: number, tokensEstimated: number, inBatch?: boolean): void;
  /** One attempt at a provider, whatever came of it. */
  providerCall(call: ProviderCall): void;
  /** One question to an endpoint that nobody has asked for, and that is paid for all the same. */
  canary?(call: CanaryCall): void;
}

/** Listens to nothing. */
export const silentEvents: EmbedderEvents = {
  cacheHits: () => {},
  cacheMisses: () => {},
  joined: () => {},
  computed: () => {},
  providerCall: () => {},
};

/** Tells every listener in turn. */
export function fanOut(listeners: readonly EmbedderEvents[]): EmbedderEvents {
  return {
    cacheHits: (...args) => listeners.forEach((listener) => void listener.cacheHits(...args)),
    cacheMisses: (...args) => listeners.forEach((listener) => void listener.cacheMisses(...args)),
    joined: (...args) => listeners.forEach((listener) => void listener.joined(...args)),
    computed: (...args) => listeners.forEach((listener) => void listener.computed(...args)),
    providerCall: (...args) => listeners.forEach((listener) => void listener.providerCall(...args)),
    canary: (...args) => listeners.forEach((listener) => void listener.canary?.(...args)),
  };
}

/** Told of what is let in, by the name of the key. */
export interface AdmissionEvents {
  admitted(key: string, texts: number): void;
  refused(key: string, code: string): void;
}

/** What a cache tells as it happens. */
export interface CacheEvents {
  /** Something that should have worked did not; the answer was a miss, or was not kept. */
  cacheError(operation: 'read' | 'write' | 'decode'): void;
}

/** An operation that is over, whichever door it came through. */
export interface OperationReport {
  /** What kind of operation it was, from a short list of the doors' own. */
  type: string;
  /** `failed`: its answer had errors. `cancelled`: the client had gone before the answer was whole. */
  outcome: 'ok' | 'failed' | 'cancelled';
  ms: number;
  /** Texts that were asked for. */
  texts: number;
  /** Fields and entries of lists that failed, by code. */
  errors: ReadonlyMap<ErrorCode, number>;
}

/** Told of operations. */
export interface OperationEvents {
  operation(report: OperationReport): void;
}
