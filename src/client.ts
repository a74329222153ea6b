export * from '@embedql/client';
