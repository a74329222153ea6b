import { fileURLToPath } from 'node:url';

export const directory = fileURLToPath(new URL('.', import.meta.url)).replace(/[\\/]$/, '');
export const dtype = 'int8';
