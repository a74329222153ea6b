declare module 'cluster-key-slot' {
  /** The hash slot of a key, as Redis Cluster computes it. */
  export default function calculateSlot(key: string): number;
}
