/** The built terminal in Debian's Chromium, for tests: the build is checked to be of the sources as they stand. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Files that the build copies as they are. */
const PUBLIC = path.join(ROOT, 'web', 'public');
/** Modules that the browser starts with: the page's, and the worker's. */
const ENTRIES = ['web/src/main.tsx', 'web/src/inference/worker.ts'];
/** Statements that import values: types alone are gone after compilation. */
const IMPORT = /^(?:import|export)\s(?!type\b)(?:[^;']*?\sfrom\s+)?'([^']+)'/gm;

/** Folder of the built terminal. */
export const BUILT = path.join(ROOT, 'web', 'dist');

/** What the terminal is made of. */
export interface TerminalSources {
  /** Absolute paths of its own modules and style sheets, those of `src/` included. */
  readonly files: readonly string[];
  /** Packages and built-in modules that they import. */
  readonly packages: readonly string[];
}

/** Follows the imports of the terminal's modules. */
export function terminalSources(): TerminalSources {
  const packages = new Set<string>();
  const files = new Set<string>();
  const waiting = ENTRIES.map((entry) => path.join(ROOT, entry));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    if (!/\.tsx?$/.test(file)) continue;
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      if (specifier!.startsWith('.')) waiting.push(path.resolve(path.dirname(file), specifier!));
      else packages.add(specifier!);
    }
  }
  return { files: [...files], packages: [...packages] };
}

/**
 * A test of yesterday's terminal would pass or fail for nothing.
 * @throws Error saying how to build it when a source is newer
 */
export function requireFreshBuild(): void {
  const page = path.join(BUILT, 'index.html');
  const copied = readdirSync(PUBLIC, { recursive: true, encoding: 'utf8' });
  const sources = [...terminalSources().files, ...copied.map((name) => path.join(PUBLIC, name))];
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  if (existsSync(page) && statSync(page).mtimeMs >= newest) return;
  const found = existsSync(page) ? 'an older one' : 'none';
  throw new Error(
    `expected ${page} built from the sources as they stand, found ${found}; run: npx vite build web`,
  );
}

/** Starts Chromium; without other flags it has no graphics processor. */
export function launchChromium(flags: readonly string[] = ['--disable-gpu']): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags] });
}
