import { EmbedError } from './errors.ts';
import { chunksQuery, readChunks } from './operations.ts';
import { cancellation, sleep, throwIfAborted } from './runtime.ts';
import type { Session } from './session.ts';
import type { EmbedChunksOptions, TextChunk, VectorForm } from './types.ts';

/**
 * Embeds a text piece by piece, in one request.
 * @throws EmbedError; the signal's reason where it aborts
 */
export async function embedChunks(
  session: Session,
  text: string,
  { form, signal, ...options }: EmbedChunksOptions,
): Promise<Array<TextChunk<VectorForm>>> {
  throwIfAborted(signal);
  const query = chunksQuery(form);
  const patience = session.patience();
  const cancel = cancellation(signal);
  try {
    for (;;) {
      try {
        const data = await patience.limit(cancel.signal, (limited) =>
          session.transport.ask(query, { text, ...options }, limited),
        );
        return readChunks(data, form);
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof EmbedError) || !patience.allows(error)) throw error;
        await sleep(patience.nextWait([error]), cancel.signal);
      }
    }
  } finally {
    cancel.release();
  }
}
