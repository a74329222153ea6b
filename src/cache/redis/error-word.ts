/** What is wrong, in the system's word or Redis' own; undefined where neither has one. No addresses, no credentials. */
export function errorWord(error: unknown): string | undefined {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? /^[A-Z]{4,}/.exec(message ?? '')?.[0];
}
