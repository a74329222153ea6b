import type { TestProject } from 'vitest/node';
import { type Stand, startStand } from '../stand.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    stand: Stand;
  }
}

export default async function globalSetup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { stand, stop } = await startStand();
  provide('stand', stand);
  return stop;
}
