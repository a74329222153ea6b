import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../config/config.ts';
import type { ModelSpec } from '../core/model.ts';
import { knownDtypes } from '../providers/local/weights/folder.ts';

const positive = z.int().positive();

/** One entry of the models file. An option that nobody knows is more likely a slip than a wish. */
const entrySchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\s,@]+$/, 'must have no spaces, commas or @'),
  provider: z.string(),
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  apiKeyEnv: z.string().min(1).optional(),
  id: z
    .string()
    .min(1)
    .refine((id) => !id.split(/[\\/]/).includes('..'), 'must not lead out of the models folder')
    .optional(),
  dimension: positive,
  maxBatchSize: positive.max(2_048).optional(),
  maxInputTokens: positive.optional(),
  costPer1kTokens: z.number().nonnegative().optional(),
  supportsDimensions: z.boolean().optional(),
  queryPrefix: z.string().optional(),
  documentPrefix: z.string().optional(),
  dtype: z.enum(knownDtypes).optional(),
  pooling: z.enum(['mean', 'cls']).optional(),
});

const fileSchema = z.strictObject({ models: z.array(entrySchema) });

/** What an entry leaves out, by provider. */
const defaults: Record<
  string,
  Pick<ModelSpec, 'maxBatchSize' | 'maxInputTokens' | 'maxBatchTokens' | 'costPer1kTokens'>
> = {
  openai: { maxBatchSize: 100, maxInputTokens: 8_191, maxBatchTokens: 300_000, costPer1kTokens: null },
  local: { maxBatchSize: 32, maxInputTokens: 512, costPer1kTokens: 0 },
};

const otherDefaults = { maxBatchSize: 100, maxInputTokens: 8_191, costPer1kTokens: null };

/**
 * Reads `EMBEDQL_MODELS_FILE`. An entry with the name of a built-in model takes its place.
 * @throws ConfigError with the path of what is wrong.
 */
export function readModelsFile(file: string, providers: readonly string[]): ModelSpec[] {
  const where = `EMBEDQL_MODELS_FILE: ${file}`;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof SyntaxError ? `is not JSON (${error.message})` : 'cannot be read';
    throw new ConfigError(`${where} ${reason}; for example {"models": []}`);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ConfigError(
      `${where}: ${pathOf(issue!.path)}: ${issue!.message}; see docs/operations/README.md`,
    );
  }
  const { models } = parsed.data;
  for (const [i, { name, provider }] of models.entries()) {
    if (!providers.includes(provider)) {
      throw new ConfigError(`${where}: models[${i}].provider: must be one of ${providers.join(', ')}`);
    }
    const first = models.findIndex((entry) => entry.name === name);
    if (first < i) throw new ConfigError(`${where}: models[${i}].name: is the name of models[${first}] too`);
  }
  return models.map((entry) => ({
    supportsDimensions: false,
    ...(defaults[entry.provider] ?? otherDefaults),
    ...entry,
  }));
}

function pathOf(path: readonly PropertyKey[]): string {
  return (
    path
      .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
      .join('') || 'the file'
  );
}
