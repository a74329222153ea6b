export { type CacheContract, testCache } from './testing/cache.ts';
export type { ContractTest } from './testing/contract.ts';
export { type ProviderContract, testProvider } from './testing/provider.ts';
