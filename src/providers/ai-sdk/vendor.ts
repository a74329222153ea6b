import { z } from 'zod';
import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec, TextKind } from '../../core/model.ts';
import type { Environment } from '../../core/surroundings.ts';
import type { OptionReaders } from '../options.ts';
import type {
  KnownModel,
  Provider,
  ProviderContext,
  ProviderDefaults,
  ProviderModel,
  ProviderSpec,
} from '../provider.ts';
import { bytesCounter } from '../tokens/bytes.ts';
import type { TokenCounter } from '../tokens/counter.ts';
import { AiSdkModel } from './bridge.ts';
import type { ReadRefusal } from './failures.ts';
import type { AiSdkEmbeddingModel, AiSdkProviderOptions } from './model.ts';
import { findPackage, loadPackage, missingPackage, type SdkPackage } from './packages.ts';

/** What a models-file entry may say of any vendor's model. */
export interface VendorOptions {
  /** Where its API is, such as a proxy. Default: the vendor's. */
  readonly baseUrl?: string | undefined;
  /** The environment variable that holds the key. Default: the vendor's. */
  readonly apiKeyEnv?: string | undefined;
  /** Whether several calls may be under way at the same time. Default: what the package says. */
  readonly parallelCalls?: boolean | undefined;
}

/** A price, and where it was read. */
export interface Price {
  readonly usdPerMillionTokens: number;
  /** The vendor's page. */
  readonly source: string;
  /** When it was read: `2026-11-25`. */
  readonly date: string;
}

/** A model of a vendor, by the vendor's own name for it. */
export interface VendorModel extends Omit<KnownModel, 'costPer1kTokens' | 'mostTexts'> {
  readonly dimension: number;
  readonly maxInputTokens: number;
  readonly price: Price;
}

/** What its SDK is opened with, or what is missing for that: a whole sentence's end, such as `requires a key: set KEY`. */
export type Settings = Readonly<Record<string, string | boolean | undefined>>;
export type ReadSettings = { readonly settings: Settings } | { readonly needs: string; readonly how: string };

/** Everything that one vendor has and another has not. */
export interface Vendor<Options extends VendorOptions> {
  readonly name: string;
  readonly sdk: SdkPackage;
  /** The package's function that gives its provider. */
  readonly create: string;
  /** The variable that holds the key, where an entry names none. */
  readonly keyVariable: string;
  readonly options: OptionReaders<Omit<Options, keyof VendorOptions>>;
  readonly models: Readonly<Record<string, VendorModel>>;
  /** For models that are not in the list. */
  readonly defaults: ProviderDefaults & { readonly maxInputTokens: number };
  /** The most texts of a call, which the package holds to. */
  mostTexts(id: string, options: Options): number;
  distinguishesKinds(id: string, options: Options): boolean;
  /** Whether the package takes several calls at the same time. */
  readonly parallel: boolean;
  settings(options: Options, env: Environment, key: string | undefined): ReadSettings;
  /** What a call is told. @param dimension the numbers to ask for; undefined where the model gives what it gives */
  callOptions(
    kind: TextKind,
    dimension: number | undefined,
    id: string,
    options: Options,
  ): AiSdkProviderOptions | undefined;
  /** Tokens that the service adds to each text, and charges. */
  readonly addedTokens?: number;
  /** How its tokens are counted, where an entry has no tokenizer. Default: by bytes. */
  readonly counter?: TokenCounter;
  /** Whether vectors of this size have any length. Default: they have unit length, or are left alone. */
  unnormalised?(id: string, dimension: number): boolean;
  readonly readRefusal?: ReadRefusal;
}

/** What the SDKs' functions have in common. */
type CreateSdk = (settings: Settings) => {
  embeddingModel(id: string, settings?: Settings): AiSdkEmbeddingModel;
};

const commonOptions: OptionReaders<VendorOptions> = {
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  apiKeyEnv: z.string().min(1).optional(),
  parallelCalls: z.boolean().optional(),
};

/** A vendor as a provider of ours. */
export function vendorProvider<Options extends VendorOptions>(vendor: Vendor<Options>): Provider<Options> {
  return {
    name: vendor.name,
    defaults: vendor.defaults,
    options: { ...commonOptions, ...vendor.options } as OptionReaders<Options>,
    known: (id, options) => known(vendor, id, options),
    knownNames: Object.keys(vendor.models),
    open: (spec, context) => openVendorModel(vendor, spec, context),
  };
}

function known<Options extends VendorOptions>(
  vendor: Vendor<Options>,
  id: string,
  options: Options,
): KnownModel {
  const mostTexts = vendor.mostTexts(id, options);
  const size = { mostTexts, maxBatchSize: vendor.defaults.maxBatchSize ?? mostTexts };
  const model = Object.hasOwn(vendor.models, id) ? vendor.models[id] : undefined;
  if (!model) return size;
  const { price, ...facts } = model;
  return { ...size, costPer1kTokens: perThousand(price), ...facts };
}

function openVendorModel<Options extends VendorOptions>(
  vendor: Vendor<Options>,
  spec: ProviderSpec<Options>,
  { env, log, counter: given }: ProviderContext,
): ProviderModel {
  const { options } = spec;
  const id = spec.id ?? spec.name;
  const key = options.apiKeyEnv ?? vendor.keyVariable;
  const read = vendor.settings(options, env, env[key]?.trim() || undefined);
  const { sizes } = known(vendor, Object.hasOwn(vendor.models, id) ? id : spec.name, options);
  const counter = given ?? vendor.counter ?? bytesCounter;
  return new AiSdkModel({
    spec,
    log,
    key,
    counter,
    addedTokens: vendor.addedTokens,
    missing: missing(vendor, spec, read),
    distinguishesKinds: vendor.distinguishesKinds(id, options),
    parallel: options.parallelCalls ?? vendor.parallel,
    callOptions: (kind) => vendor.callOptions(kind, sizes ? spec.dimension : undefined, id, options),
    normalise: vendor.unnormalised?.(id, spec.dimension) ?? false,
    readRefusal: vendor.readRefusal,
    async load() {
      if (!('settings' in read))
        throw new EmbedQLError('PROVIDER_NOT_CONFIGURED', `${spec.name} ${read.how}.`);
      const create = await loadPackage<CreateSdk>(spec.name, vendor.sdk, vendor.create);
      const { modelFamily, ...settings } = read.settings;
      return create(settings).embeddingModel(id, modelFamily === undefined ? undefined : { modelFamily });
    },
  });
}

function missing<Options extends VendorOptions>(
  { sdk }: Vendor<Options>,
  { name }: ModelSpec,
  read: ReadSettings,
): { error: EmbedQLError; note: string } | undefined {
  if ('needs' in read) {
    const error = new EmbedQLError('PROVIDER_NOT_CONFIGURED', `${name} ${read.how} and restart EmbedQL.`);
    return { error, note: `needs ${read.needs}` };
  }
  if (findPackage(sdk) === undefined)
    return { error: missingPackage(name, sdk), note: `needs npm i ${sdk.name}@${sdk.version}` };
  return undefined;
}

/** As the vendor's page would say it: a division leaves 0.00011999999999999999. */
function perThousand({ usdPerMillionTokens }: Price): number {
  return Number((usdPerMillionTokens / 1000).toPrecision(12));
}

/** The settings of a vendor that needs a key and nothing else. */
export function keySettings(
  { baseUrl: baseURL, apiKeyEnv }: VendorOptions,
  apiKey: string | undefined,
  keyVariable: string,
): ReadSettings {
  const variable = apiKeyEnv ?? keyVariable;
  if (apiKey === undefined) return { needs: variable, how: `requires a key: set ${variable}` };
  return { settings: { apiKey, ...(baseURL === undefined ? {} : { baseURL }) } };
}
