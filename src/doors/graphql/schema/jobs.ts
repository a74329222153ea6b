import { badUserInput } from '../../../core/errors.ts';
import type { JobView } from '../../../jobs/jobs.ts';
import type { Context } from '../context.ts';
import type { LongTextRef } from './arguments.ts';
import { type Builder, toInt } from './builder.ts';
import type { TextKindRef } from './embed-batch.ts';

/** Jobs that one answer may have. */
const mostListed = 100;

/** Jobs: lists of texts that are embedded without anybody waiting for them. */
export function addJobs(builder: Builder, TextKindEnum: TextKindRef, LongText: LongTextRef): void {
  const { EmbeddingJob, EmbeddingJobInput } = addTypes(builder, TextKindEnum, LongText);

  builder.mutationField('createEmbeddingJob', (t) =>
    t.field({
      type: EmbeddingJob,
      description:
        'Takes a list of texts, inline or in a file, and embeds it in the background. Interactive requests come first. ' +
        'The maximum cost is set aside before the job is accepted; a refused job costs nothing.',
      args: {
        input: t.arg({ type: EmbeddingJobInput, required: true, description: 'What the job is to embed.' }),
      },
      resolve: (_root, { input }, context) => {
        const { texts, file } = input;
        if ((texts == null) === (file == null))
          throw badUserInput('input must have either texts or a file, and not both.');
        const { model, kind, dimensions, deadline, longText } = input;
        return context.jobs.create(
          { texts: texts ?? { file: String(file) }, model, kind, dimensions, deadline, longText },
          askerOf(context),
        );
      },
    }),
  );

  builder.mutationField('cancelEmbeddingJob', (t) =>
    t.field({
      type: EmbeddingJob,
      description:
        'Ends a job. Results that are complete are kept. Texts that are at the provider already are paid, and cached. A ' +
        'job that has ended is returned unchanged.',
      args: { id: t.arg.id({ required: true, description: 'The id of the job.' }) },
      resolve: async (_root, { id }, context) => {
        const job = await context.jobs.cancel(String(id), askerOf(context));
        if (!job) throw noSuchJob();
        return job;
      },
    }),
  );

  builder.queryField('embeddingJob', (t) =>
    t.field({
      type: EmbeddingJob,
      nullable: true,
      description:
        'A job of the key that asks; null if there is none with this id. An admin key sees all jobs.',
      args: { id: t.arg.id({ required: true, description: 'The id of the job.' }) },
      resolve: async (_root, { id }, context) =>
        (await context.jobs.get(String(id), askerOf(context))) ?? null,
    }),
  );

  builder.queryField('embeddingJobs', (t) =>
    t.field({
      type: [EmbeddingJob],
      description: 'The newest jobs of the key that asks, the newest first. An admin key sees all jobs.',
      args: {
        first: t.arg.int({
          defaultValue: 20,
          description: `The maximum number of jobs, up to ${mostListed}.`,
        }),
      },
      resolve: (_root, { first }, context) => {
        const most = first ?? 20;
        if (most < 1 || most > mostListed) throw badUserInput(`first must be from 1 to ${mostListed}.`);
        return context.jobs.list(most, askerOf(context));
      },
    }),
  );

  builder.subscriptionField('embeddingJobProgress', (t) =>
    t.field({
      type: EmbeddingJob,
      description: 'A job as it is now, and after each change until it has ended.',
      args: { id: t.arg.id({ required: true, description: 'The id of the job.' }) },
      subscribe: async (_root, { id }, context) => {
        const asker = askerOf(context);
        if (!(await context.jobs.get(String(id), asker))) throw noSuchJob();
        const { signal } = context.operation;
        const ending = signal ? AbortSignal.any([signal, context.stopping]) : context.stopping;
        return context.jobs.follow(String(id), asker, ending);
      },
      resolve: (job) => job,
    }),
  );
}

function askerOf({ key, seesAll = false, tag }: Context) {
  return { key, seesAll, tag };
}

function noSuchJob() {
  return badUserInput('There is no job with this id.');
}

function addTypes(builder: Builder, TextKindEnum: TextKindRef, LongText: LongTextRef) {
  const JobStatus = builder.enumType('JobStatus', {
    description: 'The status of a job.',
    values: {
      QUEUED: { description: 'It has not begun.' },
      RUNNING: { description: 'It is being computed.' },
      DONE: { description: 'Every text has its result, or its error.' },
      FAILED: { description: 'It could not be carried out; `failure` has the reason.' },
      CANCELLED: { description: 'It was cancelled.' },
      EXPIRED: { description: 'It has ended, and its results have been deleted.' },
    } as const,
  });
  const JobDeadline = builder.enumType('JobDeadline', {
    description: 'When the results of a job are needed.',
    values: {
      NOW: { description: 'As soon as possible.' },
      DAY: {
        description:
          "Within a day: bought in the provider's batches, at their price (OpenAI: half). As NOW if the provider has none.",
      },
    } as const,
  });

  const EmbeddingJobInput = builder.inputType('EmbeddingJobInput', {
    description: 'The texts of a job, and how to embed them.',
    fields: (t) => ({
      texts: t.stringList({ description: 'The texts. Empty texts get an error in the results.' }),
      file: t.id({
        description:
          'The id of a file sent to `/v1/files`: on each line a JSON string, an object with a `text`, or a line of an ' +
          'OpenAI batch.',
      }),
      model: t.string({
        description: 'The name of a model. Default: the one that the file names, else the default model.',
      }),
      kind: t.field({
        type: TextKindEnum,
        defaultValue: 'doc',
        description: 'Whether the texts are documents or queries.',
      }),
      dimensions: t.int({ description: 'Shortens the vectors to this many numbers.' }),
      deadline: t.field({
        type: JobDeadline,
        defaultValue: 'NOW',
        description: 'When the results are needed.',
      }),
      longText: t.field({
        type: LongText,
        defaultValue: 'truncate',
        description:
          "How a text over the limit of the model is handled. AVERAGE is not available with `deadline: DAY` in the provider's " +
          'batches.',
      }),
    }),
  });

  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const EmbeddingJob = builder.objectRef<JobView>('EmbeddingJob').implement({
    description: 'A list of texts that is embedded in the background.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'The id of the job.' }),
      status: t.field({
        type: JobStatus,
        description: 'The status of the job.',
        resolve: ({ status }) => status,
      }),
      model: t.exposeString('model', { description: 'The name of the model.' }),
      key: t.exposeString('key', { description: 'The name of the API key that the job belongs to.' }),
      deadline: t.field({
        type: JobDeadline,
        description: 'When the results are needed.',
        resolve: ({ deadline }) => deadline,
      }),
      total: t.int({ description: 'The number of texts.', resolve: ({ total }) => toInt(total) }),
      done: t.int({
        description: 'Texts whose results can be read, failed ones included.',
        resolve: ({ done }) => toInt(done),
      }),
      cached: t.int({
        description: 'Of these, texts from the cache.',
        resolve: ({ cached }) => toInt(cached),
      }),
      failed: t.int({ description: 'Of these, texts that failed.', resolve: ({ failed }) => toInt(failed) }),
      tokens: t.exposeFloat('tokens', { description: 'Tokens of the texts that are done.' }),
      costUsd: t.exposeFloat('costUsd', { description: 'USD that the job has cost so far.' }),
      createdAt: t.string({
        description: 'When it was created (ISO 8601, UTC).',
        resolve: ({ createdAt }) => new Date(createdAt).toISOString(),
      }),
      finishedAt: t.string({
        nullable: true,
        description: 'When it ended (ISO 8601, UTC); null before.',
        resolve: ({ finishedAt }) => time(finishedAt),
      }),
      failure: t.string({
        nullable: true,
        description: 'The reason why it failed as a whole, and what to do; null if it did not.',
        resolve: ({ failure }) => failure?.message ?? null,
      }),
      resultUrl: t.string({
        nullable: true,
        description:
          'The path of the results on this server: JSONL, in the order of the texts, each line ' +
          '`{index, embeddingBase64, tokens}` or `{index, error: {code, message}}`. It can be read while the job runs, up ' +
          'to where it is complete, and goes on with `Range`. Null once the results have been deleted.',
        resolve: ({ id, status }, _args, { jobs }) => (status === 'EXPIRED' ? null : jobs.resultPath(id)),
      }),
    }),
  });
  return { EmbeddingJob, EmbeddingJobInput };
}
