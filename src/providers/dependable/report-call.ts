import type { EmbedderEvents, ProviderCall } from '../../core/events.ts';

/** Begins a call to a provider. @returns what tells its outcome, with the time that it took. */
export function reportCall(
  events: EmbedderEvents,
  call: Pick<ProviderCall, 'model' | 'texts'>,
): (outcome: ProviderCall['outcome']) => void {
  const started = performance.now();
  return (outcome) =>
    events.providerCall({ ...call, seconds: (performance.now() - started) / 1000, outcome });
}
