/** Create in a real browser on a real server with the tiny model: what tests of drawing on the device share. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { Adapter } from '../../src/diffusion/adapter.ts';
import { writeAdapter } from '../../src/diffusion/adapter_file.ts';
import { openTextToImageModel } from '../../src/diffusion/model.ts';
import type {
  FinetuneRequest,
  GenerateRequest,
  Job,
  JobRequest,
} from '../../src/server/schemas/web_types.ts';
import { insertAdapter } from '../../src/server/storage/adapters.ts';
import { testServer } from '../../test/server/test_server.ts';
import { BUILT } from './built_terminal.ts';
import type { WatchedPage, WatchOptions } from './watched_pages.ts';
import { watchPages } from './watched_pages.ts';

const PROMPT = 'a photo of the face of a nurse, café';

/** Most that one byte of a pixel may differ, by the rounding of this device. */
export const MOST_DIFFERENCE = 2;

/** Create on the page of the test that runs now. */
export interface DeviceDrawing {
  /** Address of the server. */
  readonly url: string;
  /** The model's folder. */
  readonly model: string;
  readonly page: Page;
  readonly forgive: WatchedPage['forgive'];
  button(name: string): Locator;
  /** A drawn image, by the end of its name: `41`, `3, with balanced`. */
  tile(end: string): Locator;
  /** Opens Create with settings of a link, to be drawn on this device. */
  open(settings: Readonly<Record<string, string | number>>): Promise<void>;
  /** The file of a drawn image, by its tile. */
  downloaded(end: string): Promise<Buffer>;
  /** Files of the images that the server draws. */
  drawnByServer(request: Omit<GenerateRequest, 'kind' | 'prompts'>): Promise<Buffer[]>;
  /** Lets the server fine-tune, once an opened page has its list of adapters; returns when it is over. */
  finetune(request: Omit<FinetuneRequest, 'kind'>): Promise<void>;
  /** Leaves an adapter on the server as a fine-tuning does, once an opened page has its list; returns its id. */
  land(name: string, adapter: Adapter): Promise<string>;
}

/** Starts a server with the built terminal for the tests of a file, and opens a page for each; to be called once at its top. */
export function drawOnDevice(name: string, options: WatchOptions = {}): DeviceDrawing {
  const server = testServer(name, { terminal: BUILT }, { listens: true, seesFaces: true });
  let watched: WatchedPage;
  watchPages((opened) => {
    watched = opened;
  }, options);
  const button = (text: string) => watched.page.getByRole('button', { name: text, exact: true });
  const finished = async (request: JobRequest): Promise<Job> => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(request);
    const sent = await fetch(`${server.url}/api/v1/jobs`, { method: 'POST', headers, body });
    const { id } = (await sent.json()) as Job;
    await (await fetch(`${server.url}/api/v1/jobs/${id}/events`)).text();
    return (await (await fetch(`${server.url}/api/v1/jobs/${id}`)).json()) as Job;
  };
  const tile = (end: string) => button(`${PROMPT}, seed ${end}`);
  /** When the opened page has read the list of adapters: one that came later would hold what lands meanwhile, as no news. */
  let listed: Promise<unknown> = Promise.resolve();
  const adaptersListed = () =>
    watched.page
      .waitForResponse(
        (response) =>
          new URL(response.url()).pathname === '/api/v1/adapters' && response.request().method() === 'GET',
        { timeout: 0 },
      )
      .then((response) => response.finished())
      // The page of a test that lands nothing is closed before.
      .catch(() => undefined);
  return {
    get url() {
      return server.url;
    },
    get page() {
      return watched.page;
    },
    get forgive() {
      return watched.forgive;
    },
    model: path.join(server.folder, 'model'),
    button,
    tile,
    async open(settings) {
      const query = new URLSearchParams({ prompt: PROMPT, ...settings } as Record<string, string>);
      listed = adaptersListed();
      await watched.page.goto(`${server.url}/#/create?${query}`);
      const here = watched.page.getByRole('radio', { name: 'This device' });
      await here.focus();
      await watched.page.keyboard.press('Space');
      await expect.poll(() => here.isChecked()).toBe(true);
    },
    async downloaded(end) {
      await tile(end).click();
      const waiting = watched.page.waitForEvent('download');
      await watched.page.getByRole('link', { name: 'Download PNG' }).click();
      const file = readFileSync(await (await waiting).path());
      await watched.page.keyboard.press('Escape');
      return file;
    },
    async drawnByServer(request) {
      const job = await finished({ kind: 'generate', prompts: [PROMPT], ...request });
      if (job.kind !== 'generate' || job.result === null) throw new Error(JSON.stringify(job));
      const fetched = job.result.images.map(async (image) =>
        (await fetch(server.url + image.url)).arrayBuffer(),
      );
      return (await Promise.all(fetched)).map((bytes) => Buffer.from(bytes));
    },
    async finetune(request) {
      await listed;
      const job = await finished({ kind: 'finetune', ...request });
      if (job.status !== 'succeeded') throw new Error(JSON.stringify(job));
    },
    async land(called, adapter) {
      await listed;
      const file = path.join(server.folder, `${called}.safetensors`);
      writeAdapter(file, adapter, {}, openTextToImageModel(path.join(server.folder, 'model')));
      const row = {
        name: called,
        model: 'tiny',
        job: `job_${called}`,
        origin: 'best',
        target: null,
      } as const;
      return (await insertAdapter(server.context, { ...row, file })).id;
    },
  };
}

/** Largest difference of one byte of the pixels of two PNG files. */
export async function largestDifference(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((png) => sharp(png).removeAlpha().raw().toBuffer()));
  expect(a!.length).toBe(b!.length);
  return a!.reduce((largest, byte, i) => Math.max(largest, Math.abs(byte - b![i]!)), 0);
}
