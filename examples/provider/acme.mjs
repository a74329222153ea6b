// @ts-check
import { EmbedQLError, InputRefusedError } from 'embedql';

/**
 * A made-up service: POST {"texts": […]} answers {"vectors": [[…]], "tokens": […]}.
 * @type {import('embedql').Provider<{ baseUrl: string }>}
 */
export default {
  name: 'acme',
  defaults: { maxBatchSize: 96, maxInputTokens: 512 },
  options: { baseUrl: (value) => new URL(String(value)).href },
  open(spec, { env }) {
    const key = env['ACME_KEY'];
    const noKey = () => new EmbedQLError('PROVIDER_NOT_CONFIGURED', `${spec.name} needs ACME_KEY; set it.`);
    return {
      spec,
      remote: true,
      status: () =>
        key
          ? { available: true, loaded: true }
          : { available: false, loaded: false, reason: noKey().message },
      async identity() {
        if (key) return spec.name;
        throw noKey();
      },
      // One character is one token here. A service with a tokenizer counts with that.
      fit: async (texts) =>
        texts.map((whole) => {
          const text = [...whole.slice(0, 2 * spec.maxInputTokens)].slice(0, spec.maxInputTokens).join('');
          return { text, maxTokens: [...text].length, truncated: text !== whole };
        }),
      async embed(texts, signal) {
        if (!key) throw noKey();
        const init = { method: 'POST', headers: { 'x-key': key }, body: JSON.stringify({ texts }), signal };
        const response = await fetch(spec.options.baseUrl, init);
        const retryable = response.status >= 500;
        if (response.status === 400) throw new InputRefusedError('Acme refuses this text; change it.');
        if (!response.ok) throw new EmbedQLError('PROVIDER_ERROR', 'Acme failed.', { retryable });
        const answer = /** @type {{ vectors: number[][], tokens: number[] }} */ (await response.json());
        return answer.vectors.map((vector, i) => ({
          vector: Float32Array.from(vector),
          tokens: answer.tokens[i] ?? 0,
        }));
      },
      close: async () => {},
    };
  },
};
