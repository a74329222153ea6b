import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type InputShapeFromFields,
  type PothosOutputFieldConfig,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core';
import { type Gather, gather } from './gather.ts';

const pluginName = 'lookAhead';

/**
 * The name of the Pothos plugin that gives root fields of queries and mutations the option `gather`.
 *
 * @example
 * ```ts
 * const builder = new SchemaBuilder<{ Context: Context }>({ plugins: [LookAheadPlugin] });
 *
 * builder.mutationField('user', (t) =>
 *   t.field({
 *     type: User,
 *     args: { id: t.arg.id({ required: true }) },
 *     gather: ({ id }) => [id],
 *     resolve: (_root, { id }, { users }) => users.load(id),
 *   }),
 * );
 * ```
 */
export default pluginName;

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      lookAhead: PothosLookAheadPlugin<Types>;
    }

    export interface QueryFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      /** Says what the field will ask for, from its arguments alone, before it runs. */
      gather?: Gather<InputShapeFromFields<Args>, Types['Context']>;
    }

    export interface MutationFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      /** Says what the field will ask for, from its arguments alone, before it runs. */
      gather?: Gather<InputShapeFromFields<Args>, Types['Context']>;
    }
  }
}

export class PothosLookAheadPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(config: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    if (config.kind !== 'Query' && config.kind !== 'Mutation') return config;
    const read = config.pothosOptions.gather;
    return read ? { ...config, extensions: { ...config.extensions, ...gather(read) } } : config;
  }
}

SchemaBuilder.registerPlugin(pluginName, PothosLookAheadPlugin);
