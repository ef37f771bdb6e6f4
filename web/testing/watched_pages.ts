/** Pages of the built terminal for the tests of one file: one Chromium, a page for each test, and what went wrong in it. */

import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { launchChromium, requireFreshBuild } from './built_terminal.ts';

/** A page in a context of its own. */
export interface WatchedPage {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Messages of uncaught exceptions and of errors on the console; the test fails when any are left at its end. */
  readonly faults: readonly string[];
  /** Takes out the faults that a test expects, of which there has to be one. */
  readonly forgive: (expected: RegExp) => void;
}

/** How pages are opened. */
export interface WatchOptions {
  /** Milliseconds that the page's actions may take; a minute if not given. */
  readonly timeout?: number;
  /** Flags of Chromium; without a graphics processor if not given. */
  readonly flags?: readonly string[];
}

/**
 * Gives each test of a file a page, and fails a test in whose page something went wrong; to be called once at the top of a test
 * file, after its own hooks, so that the browser is closed before its server.
 * @param take receives every page that is opened
 * @returns function that opens another page in place of the test's, with options of its context
 * @throws Error when the terminal was not built since its sources changed
 */
export function watchPages(
  take: (opened: WatchedPage) => void,
  { timeout = 60_000, flags }: WatchOptions = {},
): (options?: BrowserContextOptions) => Promise<void> {
  requireFreshBuild();
  let browser: Browser | undefined;
  let opened: WatchedPage | undefined;
  const close = async () => {
    const shown = await opened?.page.getByRole('alert').allTextContents();
    await opened?.context.close();
    // What the page said tells why a request was refused; the console has only the status.
    expect(opened?.faults, `alerts on the page: ${JSON.stringify(shown)}`).toEqual([]);
  };
  const open = async (options: BrowserContextOptions) => {
    opened = await openWatchedPage(browser!, timeout, options);
    take(opened);
  };
  beforeAll(async () => {
    browser = await launchChromium(flags);
  });
  afterAll(() => browser?.close());
  beforeEach(() => open({}));
  afterEach(close);
  return async (options = {}) => {
    await close();
    await open(options);
  };
}

async function openWatchedPage(
  browser: Browser,
  timeout: number,
  options: BrowserContextOptions,
): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  context.setDefaultTimeout(timeout);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  const forgive = (expected: RegExp) => {
    const others = faults.filter((fault) => !expected.test(fault));
    expect(others.length).toBeLessThan(faults.length);
    faults.splice(0, faults.length, ...others);
  };
  return { context, page, faults, forgive };
}
