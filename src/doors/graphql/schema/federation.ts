import { gathered } from '@embedql/look-ahead';
import { badUserInput } from '../../../core/errors.ts';
import type { EmbedRequest } from '../../../core/request.ts';
import { averageBytes } from '../answer-size.ts';
import type { Context } from '../context.ts';
import type { Possible } from '../foreseen.ts';
import type { Builder, ObjectRef } from './builder.ts';
import { subgraphSdl } from './subgraph-sdl.ts';

/** What another subgraph says of an entity: its type, and the fields of one of its keys. */
export type Representation = Readonly<Record<string, unknown>>;

/** A type whose fields a gateway may ask for by a key. */
export interface Entity<Source extends object = object> {
  readonly type: ObjectRef<Source>;
  /** The fields of each of its keys, as `@key` writes them. */
  readonly keys: readonly string[];
  /**
   * Finds the entity of a key, without waiting for anything: representations are read before the operation runs, too.
   * @throws EmbedQLError where the key is wrong, or nothing has that key
   */
  find(representation: Representation, context: Context): Found<Source>;
}

/** An entity that a key stands for. */
export interface Found<Source extends object = object> {
  /** What the resolvers of its type start from. */
  readonly source: Source;
  /** The text that its fields may ask for. */
  readonly request?: EmbedRequest;
}

/** Adds `_service` and `_entities`, which make the schema a subgraph of Apollo Federation 2. */
export function addFederation(builder: Builder, entities: readonly Entity[]): void {
  addService(builder, entities);
  addEntities(builder, entities);
}

function addService(builder: Builder, entities: readonly Entity[]): void {
  const Service = builder.objectRef<{ sdl: string }>('_Service').implement({
    description: 'This subgraph, for the gateway of a federated graph.',
    fields: (t) => ({
      sdl: t.exposeString('sdl', {
        nullable: true,
        description: 'The schema, with the keys of its entities.',
      }),
    }),
  });
  const keysOf = new Map(entities.map(({ type, keys }) => [type.name, keys]));
  let sdl: string | undefined;
  builder.queryField('_service', (t) =>
    t.field({
      type: Service,
      description: 'This subgraph, for the gateway of a federated graph.',
      resolve: (_root, _args, _context, { schema }) => {
        sdl ??= subgraphSdl(schema, keysOf);
        return { sdl };
      },
    }),
  );
}

function addEntities(builder: Builder, entities: readonly Entity[]): void {
  const Any = builder.scalarType('_Any', {
    description: 'The representation of an entity: its `__typename` and the fields of one of its keys.',
    serialize: (value) => value,
  });
  const reader = new RepresentationReader(entities);
  const read = ({ representations }: { representations: readonly unknown[] }, context: Context) => {
    // Each of them counts, whatever it is, and before anything is built from it.
    context.operation.announce(representations.map((one) => (isRepresentation(one) ? one['text'] : one)));
    const found = representations.map((representation) => reader.find(representation, context));
    const requests = found.flatMap((one): Possible[] =>
      one instanceof Error || !one.request ? [] : [{ possible: one.request }],
    );
    const texts = requests.map(({ possible }) => possible);
    const scale = {
      items: representations.length,
      dimension: Math.max(0, ...texts.map(({ model }) => model.spec.dimension)),
      textBytes: averageBytes(texts.map(({ text }) => text)),
    };
    return { found, requests, scale };
  };
  const EntityUnion = builder.unionType('_Entity', {
    description:
      'The entities that other subgraphs may return as stubs; the gateway fetches their fields here.',
    types: entities.map(({ type }) => type),
    resolveType: (source) => reader.typeName(source),
  });
  builder.queryField('_entities', (t) =>
    t.field({
      type: [EntityUnion],
      nullable: { list: false, items: true },
      description:
        'Resolves the entities of other subgraphs, for the gateway of a federated graph. An invalid representation ' +
        'gives null in its place and an error; it does not affect the others.',
      args: { representations: t.arg({ type: [Any], required: true }) },
      gather: read,
      resolve: (_root, args, context, info) =>
        // An error in a list is thrown by the executor in its place.
        gathered(read, args, context, info).found.map((one) => (one instanceof Error ? one : one.source)),
    }),
  );
}

/** Finds what representations stand for. */
class RepresentationReader {
  readonly #entities: ReadonlyMap<string, Entity>;
  /** Of what was found, the name of its type. */
  readonly #typeNames = new WeakMap<object, string>();

  constructor(entities: readonly Entity[]) {
    this.#entities = new Map(entities.map((entity) => [entity.type.name, entity]));
  }

  /** Never throws: a representation that is wrong costs the others nothing. */
  find(representation: unknown, context: Context): Found | Error {
    try {
      if (!isRepresentation(representation))
        throw badUserInput('A representation must be an object with __typename and the fields of a key.');
      const { __typename: name } = representation;
      const entity = typeof name === 'string' ? this.#entities.get(name) : undefined;
      if (!entity) {
        const known = [...this.#entities.keys()].join(' or ');
        throw badUserInput(`The __typename of a representation must be ${known}.`);
      }
      const found = entity.find(representation, context);
      this.#typeNames.set(found.source, entity.type.name);
      return found;
    } catch (error) {
      return error as Error;
    }
  }

  typeName(source: object): string | undefined {
    return this.#typeNames.get(source);
  }
}

function isRepresentation(value: unknown): value is Representation {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A field of a key that must be text.
 * @throws EmbedQLError BAD_USER_INPUT where it is missing or something else
 */
export function keyText(representation: Representation, field: string): string {
  const value = representation[field];
  if (typeof value === 'string') return value;
  throw badUserInput(`The representation's key field ${field} must be a string.`);
}
