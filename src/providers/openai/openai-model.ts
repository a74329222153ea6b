import OpenAI, { APIError } from 'openai';
import type { Batches } from '../../core/batches.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, FittedText, ModelStatus } from '../../core/model.ts';
import type { ProviderContext, ProviderModel, ProviderSpec } from '../provider.ts';
import { cl100kCounter, loadEncoding } from '../tokens/cl100k.ts';
import { apportion, fitTexts, type TokenCounter } from '../tokens/counter.ts';
import { OpenAIBatches } from './batches.ts';
import { describeFailure } from './failures.ts';
import { keyVariable, type OpenAIOptions, readEndpoint } from './options.ts';
import { readResponse } from './response.ts';

/** A model of OpenAI, or of a server that speaks like it. */
export class OpenAIModel implements ProviderModel {
  readonly spec: ProviderSpec<OpenAIOptions>;
  readonly remote = true;
  readonly batches: Batches | undefined;
  readonly #context: ProviderContext;
  readonly #counter: TokenCounter;
  /** The variable that holds the key; undefined where the server requires none. */
  readonly #keyVariable: string | undefined;
  readonly #client: OpenAI | undefined;

  constructor(spec: ProviderSpec<OpenAIOptions>, context: ProviderContext) {
    this.spec = spec;
    this.#context = context;
    this.#counter = context.counter ?? cl100kCounter;
    this.#keyVariable = keyVariable(spec.options);
    const key = this.#keyVariable === undefined ? 'none' : context.env[this.#keyVariable]?.trim();
    if (!key) return;
    const endpoint = readEndpoint(spec.options.baseUrl ?? context.env['OPENAI_BASE_URL']);
    this.#client = new OpenAI({
      apiKey: key,
      baseURL: endpoint?.baseURL ?? null,
      ...(endpoint ? { defaultQuery: { ...endpoint.query } } : {}),
      organization: null,
      project: null,
      // Retried, limited in time and logged outside, the same for every provider.
      maxRetries: 0,
      logLevel: 'off',
    });
    const explain = (error: unknown) => describeFailure(error, spec, this.#keyVariable ?? 'its "apiKeyEnv"');
    this.batches = new OpenAIBatches(this.#client, spec, explain);
  }

  status(): ModelStatus {
    if (this.#client) return { available: true, loaded: true };
    const { message: reason } = this.#missingKey();
    return { available: false, loaded: false, reason, note: `needs ${this.#keyVariable}` };
  }

  async identity(): Promise<string> {
    if (!this.#client) throw this.#missingKey();
    // Slow to load and needed soon. A failure is reported when it is needed.
    if (this.#counter === cl100kCounter) loadEncoding().catch(() => {});
    return this.spec.name;
  }

  fit(texts: readonly string[]): Promise<FittedText[]> {
    return fitTexts(texts, this.spec, this.#counter);
  }

  countTokens(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#counter.count(texts, atMost);
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedText[]> {
    const [response, weights] = await Promise.all([
      this.#request(texts, signal),
      // Counted while the provider computes. One text alone is charged for all of the call.
      texts.length > 1 ? this.#counter.count(texts) : undefined,
    ]);
    const { vectors, tokens: total } = readResponse(response, texts.length, this.spec);
    const counts = weights ?? (total === undefined ? await this.#counter.count(texts) : [total]);
    const tokens = total === undefined ? counts : apportion(total, counts);
    const estimate = total === undefined ? { tokensEstimated: true } : undefined;
    return vectors.map((vector, i) => ({ vector, tokens: tokens[i]!, ...estimate }));
  }

  async close(): Promise<void> {}

  async #request(texts: readonly string[], signal: AbortSignal): Promise<unknown> {
    if (!this.#client) throw this.#missingKey();
    const { name, id } = this.spec;
    try {
      const { data, response } = await this.#client.embeddings
        .create({ model: id ?? name, input: [...texts], encoding_format: 'base64' }, { signal })
        .withResponse();
      const requestId = response.headers.get('x-request-id');
      this.#context.log.debug({ model: name, texts: texts.length, requestId }, 'provider answered');
      return data;
    } catch (error) {
      const { status, requestID: requestId } = error instanceof APIError ? error : {};
      const failure = describeFailure(error, this.spec, this.#keyVariable ?? 'its "apiKeyEnv"');
      this.#context.log.debug(
        { model: name, texts: texts.length, status, requestId, code: failure.code },
        'provider failed',
      );
      throw failure;
    }
  }

  #missingKey(): EmbedQLError {
    return new EmbedQLError(
      'PROVIDER_NOT_CONFIGURED',
      `${this.spec.name} requires a key: set ${this.#keyVariable} and restart EmbedQL.`,
    );
  }
}
