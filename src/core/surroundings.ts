/** Variables by name, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Writes one line. With fields, or the message alone. */
export interface LogLine {
  (fields: object, message?: string): void;
  (message: string): void;
}

/** Where the parts report what an operator should know. Never a text, a vector or a key. */
export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** Whether lines of this level are written at all; saves putting one together for nobody. */
  isLevelEnabled(level: string): boolean;
}

/**
 * A log that a program brings: `console`, its logging library's, or anything else with these four methods.
 *
 * @example
 * await createEmbedder({ models, log: console });
 */
export interface Logger {
  debug(fields: object | string, message?: string): void;
  info(fields: object | string, message?: string): void;
  warn(fields: object | string, message?: string): void;
  error(fields: object | string, message?: string): void;
  /** Whether lines of this level are written. Default: all are. */
  isLevelEnabled?(level: string): boolean;
}

/** Fits a log of somebody else's to what the parts ask of theirs. */
export function toLog(logger: Logger): Log {
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error'): LogLine =>
    (...args: [fields: object | string, message?: string]) =>
      logger[level](...args);
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    isLevelEnabled: (level) => logger.isLevelEnabled?.(level) ?? true,
  };
}

const ignore: LogLine = () => {};

/** A log that writes nothing. */
export const silentLog: Log = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  isLevelEnabled: () => false,
};

/** One thing that takes a while. */
export interface ProgressTask {
  /**
   * @param done in the unit that the total was given in
   * @param note what else is worth showing
   */
  update(done: number, note?: string): void;
  /** @param complete false where it was given up before its end. Default: true. */
  end(complete?: boolean): void;
}

/** Somewhere to show how far things are. */
export interface Progress {
  /** @param totalBytes 0 where it is not known. */
  start(label: string, totalBytes: number): ProgressTask;
}

export const silentProgress: Progress = { start: () => ({ update: () => {}, end: () => {} }) };
