import type { Log } from '../../core/surroundings.ts';
import type { ErrorShape } from '../../http/respond.ts';
import type { Services } from '../services.ts';
import { createFinish, type Finish, graphqlErrors } from './coded-error.ts';
import { createEngine, type Engine, type EngineOptions } from './engine.ts';
import type { BodyLimits } from './params.ts';
import { PersistedQueries, type SharedDocuments } from './persisted-queries.ts';

export interface DoorOptions extends EngineOptions, BodyLimits {
  /** Milliseconds in which a piece of an answer has to be taken. */
  transferTimeoutMs: number;
}

/** What every way to speak GraphQL has in common. */
export interface Door {
  readonly engine: Engine;
  readonly services: Services;
  readonly options: DoorOptions;
  readonly finish: Finish;
  readonly persisted: PersistedQueries;
  /** How errors are told. */
  readonly shape: ErrorShape;
}

/** @param documents where replicas find each other's persisted queries; without it each has its own */
export function createDoor(
  services: Services,
  options: DoorOptions,
  log: Log,
  documents?: SharedDocuments,
): Door {
  return {
    engine: createEngine(services, options),
    services,
    options,
    finish: createFinish(services.nameOption, log),
    persisted: new PersistedQueries(documents),
    shape: graphqlErrors(services.nameOption),
  };
}
