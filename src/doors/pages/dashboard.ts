import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Route } from '../../http/route.ts';

/** Everything comes from here, nothing is inline, and nobody may put the page into a frame. */
const securityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const folder = new URL('../../../assets/dashboard/', import.meta.url);
const uplot = createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js');

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The page at `/` and what it loads, read once. None of it is secret, so none of it requires a key. */
export function dashboardRoutes(): Route[] {
  return [
    page('/', new URL('index.html', folder)),
    ...readdirSync(folder)
      .filter((file) => file !== 'index.html')
      .map((file) => page(`/dashboard/${file}`, new URL(file, folder))),
    page('/dashboard/uplot.js', uplot),
    page('/dashboard/uplot.css', uplot.replace('uPlot.iife.min.js', 'uPlot.min.css')),
  ];
}

function page(path: string, file: URL | string): Route {
  const content = readFileSync(file);
  const headers = {
    'content-type': types[String(file).split('.').at(-1)!]!,
    'content-length': content.length,
    'cache-control': 'no-cache',
    'content-security-policy': securityPolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
  return {
    path,
    guarded: false,
    handle: (_request, response) => void response.writeHead(200, headers).end(content),
  };
}
