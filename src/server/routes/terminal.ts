/** The browser terminal: files that vite built, or a page that says how to get them. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { App, ServerContext } from '../context.ts';
import { fileInside } from '../storage/files.ts';
import { sendFile } from './send_file.ts';

/** Paths that belong to the API: an unknown one of them is an error, not a page of the terminal. */
const API_PATHS = /^\/(api|v1|sdapi)(\/|$)/;
const PAGE = 'index.html';

const MISSING = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evenhand</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main>
<h1>Evenhand is running</h1>
<p>The browser terminal is not built. In the folder of the sources run <code>npm run build</code>, then load this page
again.</p>
<p>The API is complete without it: <a href="/docs">its routes</a>, <a href="/openapi.json">its OpenAPI document</a>.</p>
</main></body></html>
`;

/** Adds the route of everything that no other route has. */
export function addTerminalRoutes(app: App, { terminal }: ServerContext): void {
  app.get('/*', async (c, next) => {
    const { path: address } = c.req;
    if (API_PATHS.test(address)) return next();
    const name = decodePath(address);
    const file = name === '' || name === null ? null : fileInside(terminal, name);
    if (file !== null && path.basename(file) !== PAGE) {
      // Built files carry a hash of their content in their names.
      const forever = name!.startsWith('assets/');
      const cache = forever ? 'public, max-age=31536000, immutable' : 'no-cache';
      return sendFile(c, file, { 'Cache-Control': cache });
    }
    // Addresses of the terminal's own views have no extension and lead to its one page.
    if (file === null && (name === null || path.extname(name) !== '')) return next();
    const page = path.join(terminal, PAGE);
    if (existsSync(page)) return sendFile(c, page, { 'Cache-Control': 'no-cache' });
    return c.html(MISSING, 200, { 'Cache-Control': 'no-cache' });
  });
}

function decodePath(address: string): string | null {
  try {
    return decodeURIComponent(address.slice(1));
  } catch {
    return null;
  }
}
