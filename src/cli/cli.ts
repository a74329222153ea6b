import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { ConfigError, readConfig, variableOf } from '../config/config.ts';
import { describeError, EmbedQLError } from '../core/errors.ts';
import { meant } from '../core/nearest.ts';
import type { Environment } from '../core/surroundings.ts';
import { createLog } from '../telemetry/pino.ts';
import { version } from '../version.ts';
import { cacheStats, clearCache } from './cache.ts';
import { estimateFile } from './estimate.ts';
import { listModels } from './models.ts';
import { pullModel } from './pull.ts';
import { serve } from './serve.ts';
import { type SpendOptions, showSpend } from './spend.ts';
import { warmCache } from './warm.ts';
import { warmAtServer } from './warm-at-server.ts';

/** The operators' manual, as it lies in this package. */
const manual = fileURLToPath(new URL('../../docs/operations/settings.md', import.meta.url));

export interface CliOptions {
  /** Without the two that the system puts in front. */
  argv: readonly string[];
  env: Environment;
  out(text: string): void;
  err(text: string): void;
}

/** The `embedql` command. @returns the exit code. */
export async function runCli({ argv, env, out, err }: CliOptions): Promise<number> {
  let exitCode = 0;
  const program = new Command('embedql')
    .description(
      'A GraphQL server for text embeddings: ask field by field, pay for the fewest possible provider calls.',
    )
    .version(version)
    .addHelpText(
      'after',
      `\nSettings are environment variables, or lines of a .env file. All of them: ${manual}`,
    )
    .configureOutput({ writeOut: out, writeErr: err })
    .exitOverride();
  program
    .command('serve', { isDefault: true })
    .description('start the server (the default command)')
    .option('--port <number>', 'where to listen, instead of PORT; 0 picks a free one')
    .option('--host <address>', 'where to listen, instead of HOST')
    .action(async ({ port, host }: { port?: string; host?: string }) => {
      const settings = {
        ...env,
        ...(port !== undefined && { PORT: port }),
        ...(host !== undefined && { HOST: host }),
      };
      exitCode = await serve(settings, createLog(readConfig(settings).logLevel));
    });
  program
    .command('models')
    .description('list the models')
    .action(async () => out(await listModels(readConfig(env), env)));
  program
    .command('pull')
    .description('fetch the weights of a local model ahead of time')
    .argument('<model>', 'its name, such as all-MiniLM-L6-v2')
    .action(async (model: string) => out(await pullModel(model, readConfig(env), env)));
  program
    .command('warm')
    .description('fill the cache from a file with one text per line')
    .argument('<file>', 'a .txt or .jsonl file; - reads standard input')
    .option('--model <name>', 'the model; default: the default model of the server')
    .option('--key <name>', 'the name of the key whose cache it is, where EMBEDQL_CACHE_SCOPE is key')
    .option('--server <url>', 'have a running server do it as a job, which goes on when this command ends')
    .option('--within-a-day', 'with --server: take the price of the provider’s batches, where it has them')
    .option('--api-key-env <name>', 'with --server: the variable that holds its API key')
    .action(async (file: string, options: WarmCommand) => out(await warm(file, options, env, err)));
  program
    .command('estimate')
    .description('say what the texts of a file would cost; computes and pays nothing')
    .argument('<file>', 'a .txt or .jsonl file; - reads standard input')
    .option('--model <name>', 'the model; default: the default model of the server')
    .option('--key <name>', 'the name of the key whose cache it is, where EMBEDQL_CACHE_SCOPE is key')
    .action(async (file: string, { model, key }: { model?: string; key?: string }) =>
      out(await estimateFile({ file, model, key, config: readConfig(env), env, stdin: process.stdin, err })),
    );
  program
    .command('spend')
    .description('show what was requested, paid and saved, over all servers')
    .option('--from <day>', 'the first day, YYYY-MM-DD, UTC; default: the first of this month')
    .option('--to <day>', 'the last day, included; default: today')
    .option('--by <names>', 'what to add up by: day, model, key, tag, with commas between them', 'day')
    .option('--csv', 'print comma-separated values')
    .action(async (options: SpendOptions) => out(await showSpend(options, readConfig(env))));
  const cache = program.command('cache').description('inspect and clear the cache on disk and in Redis');
  cache
    .command('stats')
    .description('show the entries of each model')
    .option('--model <name>', 'only this model')
    .action(async ({ model }: { model?: string }) => out(await cacheStats(model, readConfig(env))));
  cache
    .command('clear')
    .description('remove the entries of a model; servers keep serving meanwhile')
    .requiredOption('--model <name>', 'the model, as `embedql models` lists it')
    .action(async ({ model }: { model: string }) => out(await clearCache(model, readConfig(env))));
  try {
    refuseUnknownCommand(program, argv[0]);
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (isCommanderExit(error)) return error.exitCode;
    if (!(error instanceof ConfigError || error instanceof EmbedQLError)) throw error;
    err(`${error instanceof EmbedQLError ? describeError(error, variableOf) : error.message}\n`);
    return 1;
  }
  return exitCode;
}

interface WarmCommand {
  model?: string;
  key?: string;
  server?: string;
  withinADay?: true;
  apiKeyEnv?: string;
}

async function warm(
  file: string,
  { model, key, server, withinADay, apiKeyEnv }: WarmCommand,
  env: Environment,
  err: (text: string) => void,
): Promise<string> {
  const config = readConfig(env);
  const { stdin } = process;
  if (server === undefined) {
    if (withinADay || apiKeyEnv !== undefined)
      throw new ConfigError(
        '--within-a-day and --api-key-env are for a job; add --server, such as --server http://127.0.0.1:4000',
      );
    return warmCache({ file, model, key, config, env, stdin, err });
  }
  if (key !== undefined)
    throw new ConfigError('--key: a job is that of the API key it is made with; pass --api-key-env');
  const apiKey = apiKeyEnv === undefined ? undefined : env[apiKeyEnv]?.trim();
  if (apiKeyEnv !== undefined && !apiKey)
    throw new ConfigError(`--api-key-env: ${apiKeyEnv} is not set; it must hold the API key of the server`);
  const log = createLog(config.logLevel);
  return warmAtServer({ file, server, model, withinADay: withinADay === true, apiKey, stdin, log, err });
}

/** Commander would hand a mistyped command to the default one, as an argument that is too many. */
function refuseUnknownCommand(program: Command, given: string | undefined): void {
  const names = [...program.commands.map((command) => command.name()), 'help'];
  if (given === undefined || given.startsWith('-') || names.includes(given)) return;
  const name = meant(given, names);
  const advice = name === undefined ? `The commands are ${names.join(', ')}.` : `Did you mean ${name}?`;
  program.error(`error: there is no command ${given}. ${advice}`);
}

/** Commander throws where it would have ended the process: after --help, or for a command it does not know. */
function isCommanderExit(error: unknown): error is { exitCode: number } {
  if (!(error instanceof Error && 'exitCode' in error && 'code' in error)) return false;
  return typeof error.code === 'string' && error.code.startsWith('commander.');
}
