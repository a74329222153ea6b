import type { SimProcess } from './process.ts';
import type { SimRedis } from './redis.ts';
import type { IncidentScript } from './script.ts';

/** Whom it happens to. */
export interface Stage {
  readonly process: SimProcess;
  readonly redis: SimRedis | undefined;
  later(ms: number, work: () => void): void;
  /** Starts another process in the place of one that was killed. */
  restart(): void;
}

/** Lets something go wrong, and right again. */
export function happen({ what, ms }: IncidentScript, { process, redis, later, restart }: Stage): void {
  switch (what) {
    case 'kill':
      process.kill();
      if (ms > 0) later(ms, restart);
      break;
    case 'stop':
      process.stop();
      later(ms, () => process.resume());
      break;
    case 'redis slow':
      redis?.beSlow([0, 400]);
      later(ms, () => redis?.beSlow(undefined));
      break;
    case 'redis away':
      redis?.be('refusing');
      later(ms, () => redis?.be('up'));
      break;
    case 'redis silent':
      redis?.be('silent');
      later(ms, () => redis?.be('up'));
      break;
    case 'redis full':
      redis?.be('full');
      later(ms, () => redis?.be('up'));
      break;
    case 'redis half away':
      redis?.be('half');
      later(ms, () => redis?.be('up'));
      break;
    case 'redis flushed':
      redis?.lose(1);
      break;
    case 'redis fails over':
      redis?.lose(0.5);
  }
}
