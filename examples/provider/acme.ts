import { EmbedQLError, InputRefusedError } from '../../src/core/errors.ts';
import type { Provider } from '../../src/providers/provider.ts';

/** A made-up service: POST {"texts": […]} answers {"vectors": [[…]], "tokens": […]}. */
export const acme: Provider = {
  name: 'acme',
  open(spec, { env }) {
    const key = env['ACME_KEY'];
    return {
      spec,
      remote: true,
      status: () => ({ available: key !== undefined, loaded: key !== undefined }),
      async identity() {
        if (key) return spec.name;
        throw new EmbedQLError('PROVIDER_NOT_CONFIGURED', `${spec.name} needs ACME_KEY; set it.`);
      },
      // One character is one token here. A service with a tokenizer counts with that.
      fit: async (texts) =>
        texts.map((whole) => {
          const text = whole.slice(0, spec.maxInputTokens);
          return { text, maxTokens: text.length, truncated: text !== whole };
        }),
      async embed(texts, signal) {
        const init = { method: 'POST', headers: { 'x-key': key! }, body: JSON.stringify({ texts }), signal };
        const response = await fetch(spec.baseUrl!, init);
        const retryable = response.status >= 500;
        if (response.status === 400) throw new InputRefusedError('Acme refuses this text; change it.');
        if (!response.ok) throw new EmbedQLError('PROVIDER_ERROR', 'Acme failed.', { retryable });
        const { vectors, tokens } = (await response.json()) as { vectors: number[][]; tokens: number[] };
        return vectors.map((vector, i) => ({ vector: Float32Array.from(vector), tokens: tokens[i]! }));
      },
      close: async () => {},
    };
  },
};
