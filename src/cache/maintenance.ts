/** What lies in a tier of one model identity. */
export interface IdentityStats {
  identity: string;
  documents: number;
  queries: number;
  /** Bytes of the values, without what the tier needs for itself. */
  bytes: number;
}

/** A way to look after what a tier keeps, as opposed to serving from it. */
export interface Maintenance {
  stats(model?: string): Promise<IdentityStats[]>;
  /** Removes what a model has, or all there is. @returns how many entries. */
  clear(model?: string): Promise<number>;
  close(): Promise<void> | void;
}

/** Adds up what there is, identity by identity. */
export class IdentityTally {
  readonly #byIdentity = new Map<string, IdentityStats>();

  add(identity: string, kind: 'doc' | 'query', bytes: number): void {
    const stats = this.#byIdentity.get(identity) ?? { identity, documents: 0, queries: 0, bytes: 0 };
    stats[kind === 'doc' ? 'documents' : 'queries'] += 1;
    stats.bytes += bytes;
    this.#byIdentity.set(identity, stats);
  }

  /** In the order of their names. */
  result(): IdentityStats[] {
    return [...this.#byIdentity.values()].sort((a, b) => a.identity.localeCompare(b.identity));
  }
}

/** Whether an identity is a model's. A local model's identities carry its weights behind an `@`. */
export function isIdentityOf(identity: string, model: string): boolean {
  return identity === model || identity.startsWith(`${model}@`);
}
