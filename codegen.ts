import type { CodegenConfig } from '@graphql-codegen/cli';

// The typed client of the examples and of the end-to-end tests. CI fails when what is there is not this.
const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['examples/client/**/*.ts', 'test/integration/**/*.ts'],
  ignoreNoDocuments: true,
  importExtension: '.ts',
  generates: {
    'examples/client/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        scalars: { Vector: 'number[]', _Any: 'Record<string, unknown>' },
        documentMode: 'string',
        enumsAsTypes: true,
        useTypeImports: true,
        strictScalars: true,
      },
    },
  },
};

export default config;
