import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Adapter } from '../src/diffusion/adapter.ts';
import { writeAdapter } from '../src/diffusion/adapter_file.ts';
import { readPngMetadata } from '../src/diffusion/image_metadata.ts';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { initialAdapter, trainedTensors, withTensors } from '../src/finetune/trained_part.ts';
import type { BrowserModel, GenerateRequest, Job } from '../src/server/schemas/web_types.ts';
import type { EvenhandServer } from '../src/server/server.ts';
import { insertAdapter } from '../src/server/storage/adapters.ts';
import { createLoraLayer } from '../src/weights/lora_file.ts';
import { weightsFromBytes } from '../src/weights/weights_in_memory.ts';
import { openTestServer, temporaryFolder } from '../test/server/open_server.ts';
import { writeTinyJudgedModel } from '../test/tiny_judged_model.ts';
import {
  BUILT,
  launchChromium,
  openWatchedPage,
  requireFreshBuild,
  terminalSources,
} from './testing/built_terminal.ts';

const PROMPT = 'a photo of the face of a nurse, café';
/** Most that one byte of a pixel may differ, by the rounding of this device. */
const MOST_DIFFERENCE = 2;

/** Notes every preview that the page shows: on a small model they stand for milliseconds. */
const NOTE_PREVIEWS = `
  window.previews = [];
  new MutationObserver(() => {
    for (const { alt } of document.querySelectorAll('img[alt^="Preview"]')) window.previews.push(alt);
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
`;

const folder = temporaryFolder('inference');
let server: EvenhandServer;
let url: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let faults: string[];

beforeAll(async () => {
  requireFreshBuild();
  writeTinyJudgedModel(path.join(folder.path, 'model'), { seesFaces: true });
  server = await openTestServer(folder.path, { terminal: BUILT });
  ({ url } = await server.start());
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop(0);
  folder.remove();
});

beforeEach(async () => {
  ({ context, page, faults } = await openWatchedPage(browser, 60_000));
});

afterEach(async () => {
  await context.close();
  expect(faults).toEqual([]);
});

const button = (name: string) => page.getByRole('button', { name, exact: true });
const tile = (end: string) => page.getByRole('button', { name: `${PROMPT}, seed ${end}`, exact: true });

/** Opens Create with settings of a link, to be drawn on this device. */
async function openCreate(settings: Readonly<Record<string, string | number>>): Promise<void> {
  const query = new URLSearchParams({ prompt: PROMPT, ...settings } as Record<string, string>);
  await page.goto(`${url}/#/create?${query}`);
  const here = page.getByRole('radio', { name: 'This device' });
  await here.focus();
  await page.keyboard.press('Space');
  await expect.poll(() => here.isChecked()).toBe(true);
}

/** The file of a drawn image, by its tile. */
async function downloaded(end: string): Promise<Buffer> {
  await tile(end).click();
  const waiting = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download PNG' }).click();
  const file = readFileSync(await (await waiting).path());
  await page.keyboard.press('Escape');
  return file;
}

/** Files of the images that the server draws. */
async function drawnByServer(request: Omit<GenerateRequest, 'kind' | 'prompts'>): Promise<Buffer[]> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ kind: 'generate', prompts: [PROMPT], ...request });
  const { id } = (await (await fetch(`${url}/api/v1/jobs`, { method: 'POST', headers, body })).json()) as Job;
  await (await fetch(`${url}/api/v1/jobs/${id}/events`)).text();
  const job = (await (await fetch(`${url}/api/v1/jobs/${id}`)).json()) as Job;
  if (job.kind !== 'generate' || job.result === null) throw new Error(JSON.stringify(job));
  return Promise.all(
    job.result.images.map(async (image) => Buffer.from(await (await fetch(url + image.url)).arrayBuffer())),
  );
}

/** Largest difference of one byte of the pixels of two PNG files. */
async function largestDifference(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((png) => sharp(png).removeAlpha().raw().toBuffer()));
  expect(a!.length).toBe(b!.length);
  return a!.reduce((largest, byte, i) => Math.max(largest, Math.abs(byte - b![i]!)), 0);
}

/** Leaves an adapter as a fine-tuning does; returns its id. */
async function land(name: string, adapter: Adapter): Promise<string> {
  const file = path.join(folder.path, `${name}.safetensors`);
  writeAdapter(file, adapter, {}, openTextToImageModel(path.join(folder.path, 'model')));
  const values = { name, model: 'tiny', job: `job_${name}`, origin: 'best', target: null, file } as const;
  return (await insertAdapter(server.context, values)).id;
}

const noise = (shape: readonly number[], stream: string) => ({
  shape,
  data: gaussianNoise(
    { seed: 5, stream },
    shape.reduce((count, size) => count * size, 1),
  ).map((value) => value / 2),
});
const TEXT_LAYER = 'text_model.encoder.layers.0.self_attn.q_proj';
const UNET_LAYER = 'down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k';
const LORA: Adapter = {
  lora: {
    textEncoder: new Map([[TEXT_LAYER, createLoraLayer(noise([2, 32], 'a'), noise([32, 2], 'b'), 4)]]),
    unet: new Map([[UNET_LAYER, createLoraLayer(noise([2, 32], 'c'), noise([16, 2], 'd'), 4)]]),
    metadata: {},
  },
  softTokens: null,
};
const SOFT_TOKENS: Adapter = {
  lora: null,
  softTokens: { count: 2, width: 32, data: noise([2, 32], 'e').data },
};

/** What `train.part: layers` leaves: convolutions, products, normalisations and embeddings, moved away from the model's own. */
function wholeWeights(): Adapter {
  const model = openTextToImageModel(path.join(folder.path, 'model'));
  const initial = initialAdapter(model, { kind: 'layers', patterns: WHOLE }, 1);
  const moved = [...trainedTensors(initial)].map(([name, values]): [string, Float32Array] => {
    const change = gaussianNoise({ seed: 6, stream: name }, values.length);
    return [name, values.map((value, i) => value + change[i]! / 20)];
  });
  return withTensors(initial, new Map(moved));
}
const WHOLE = [
  'unet.mid_block.*',
  'unet.down_blocks.0.resnets.0.*',
  'text_encoder.*.layers.1.*',
  'text_encoder.*.token_embedding.weight',
];

describe('what runs in a browser', () => {
  test('is the code of the server, and needs nothing of Node', () => {
    const { files, packages } = terminalSources();
    const names = files.map((file) => path.relative(process.cwd(), file));
    expect(names).toContain('src/diffusion/pipeline.ts');
    expect(names).toContain('src/diffusion/philox.ts');
    expect(names).toContain('src/text/create_clip_tokenizer.ts');
    expect(packages).toContain('onnx-buf');
    expect(packages.filter((name) => /^node:|^(onnxruntime-node|sharp)$/.test(name))).toEqual([]);
  });
});

describe('what the server gives to browsers', () => {
  test('is one file under its hash, for ever, without what drawing does not need', async () => {
    const answer = await fetch(`${url}/api/v1/models/tiny/browser`);
    const model = (await answer.json()) as BrowserModel;
    expect(model).toMatchObject({ name: 'tiny', folder: 'model', configs: { unet: { in_channels: 4 } } });
    const { weights } = model;
    const file = await fetch(url + weights.url);
    expect(file.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect(file.headers.get('etag')).toBe(`"${weights.sha256}"`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    expect(bytes.length).toBe(weights.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(weights.sha256);
    const names = weightsFromBytes(bytes, '/w').names();
    expect(names).toContain('vae.decoder.conv_in.weight');
    expect(names.filter((name) => /^vae\.(encoder|quant_conv)/.test(name))).toEqual([]);
    const known = await fetch(url + weights.url, { headers: { 'if-none-match': `"${weights.sha256}"` } });
    expect(known.status).toBe(304);
    expect((await fetch(`${url}/api/v1/models/tiny/browser/other.safetensors`)).status).toBe(404);
  });

  test('comes with policies under which WebAssembly runs on several threads', async () => {
    const { headers } = await fetch(url);
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('content-security-policy')).toContain("script-src 'self' 'wasm-unsafe-eval'");
  });
});

describe('judging for browsers', () => {
  test('names the image that cannot be read', async () => {
    const headers = { 'content-type': 'application/json' };
    const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    const body = JSON.stringify({ images: [image.toString('base64'), 'bm9uZQ=='] });
    const answer = await fetch(`${url}/api/v1/judgements`, { method: 'POST', headers, body });
    expect(answer.status).toBe(422);
    expect(((await answer.json()) as { error: { message: string } }).error.message).toMatch(/^images\[1\]: /);
  });
});

describe('drawing on this device', () => {
  test('gives the images of the server, with their metadata, and keeps them over a reload', async () => {
    await openCreate({ images: 2, seed: 41, steps: 4, guidanceScale: 3, negativePrompt: 'hat' });
    const sent: string[] = [];
    page.on('request', (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await page.evaluate(NOTE_PREVIEWS);
    await button('Draw').click();
    await tile('42').waitFor();
    await page.getByText(/^Ready on the processor of this device \(WebAssembly, \d+ threads?\)\.$/).waitFor();
    expect(sent).not.toContain('POST /api/v1/jobs');
    expect(await page.evaluate('window.previews')).toEqual(
      expect.arrayContaining(['Preview after step 2 of 4, seed 41', 'Preview after step 3 of 4, seed 42']),
    );
    const byServer = await drawnByServer({
      negativePrompt: 'hat',
      imagesPerPrompt: 2,
      seed: 41,
      steps: 4,
      guidanceScale: 3,
    });
    const here = [await downloaded('41'), await downloaded('42')];
    for (const [i, file] of here.entries()) {
      expect(await largestDifference(file, byServer[i]!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
      const { version: _, ...settings } = readPngMetadata(byServer[i]!).record as Record<string, unknown>;
      expect(readPngMetadata(file).record).toMatchObject(settings);
    }
    expect(await largestDifference(here[0]!, here[1]!)).toBeGreaterThan(2 * MOST_DIFFERENCE);
    await button('Measure on the server').click();
    await page.getByText('2 images, 2 faces').waitFor();
    await page.reload();
    expect(await downloaded('42')).toEqual(here[1]);
    await button('Remove from this list').click();
    await page.getByText('No images yet').waitFor();
    await expect
      .poll(() =>
        page.evaluate(
          "caches.open('evenhand-drawings').then((store) => store.keys()).then((keys) => keys.length)",
        ),
      )
      .toBe(0);
  });

  test('begins before the page knows the models of the server: it waits for them', async () => {
    let listing: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      listing = resolve;
    });
    await page.route('**/api/v1/{models,adapters}', async (route) => {
      await asked;
      await route.continue();
    });
    await openCreate({ images: 1, seed: 6, steps: 1 });
    await button('Draw').click();
    listing();
    await tile('6').waitFor();
  });

  test('is cancelled before its next step, and the page can draw on', async () => {
    await openCreate({ images: 64, seed: 7, steps: 200 });
    await button('Draw').click();
    await page.getByText(/^Step [1-9]\d* of 12800$/).waitFor();
    await button('Cancel').click();
    await expect.poll(() => page.getByText('not drawn').count()).toBeGreaterThan(60);
    await page.getByLabel('Images', { exact: true }).fill('1');
    await page.getByLabel('Seed', { exact: true }).fill('9');
    await page.getByText('Negative prompt, steps, guidance, model').click();
    await page.getByLabel('Steps').fill('2');
    await button('Draw').click();
    await tile('9').waitFor();
  });

  test.each([
    ['low-rank updates', () => LORA],
    ['soft tokens', () => SOFT_TOKENS],
    ['whole weights', wholeWeights],
  ])('takes up a newer adapter of the server: %s', async (kind, adapter) => {
    await openCreate({ images: 1, seed: 3, steps: 3 });
    await button('Draw').click();
    await tile('3').waitFor();
    const plain = await downloaded('3');
    const name = kind.replace(' ', '-');
    const id = await land(name, adapter());
    // Coming back to the page looks at once.
    await page.evaluate("window.dispatchEvent(new Event('focus'))");
    const news = page.getByRole('status').filter({ hasText: `A newer adapter is available: ${name}.` });
    await news.getByRole('button', { name: 'Use it' }).click();
    await expect.poll(() => page.getByLabel('Adapter').inputValue()).toBe(id);
    await expect.poll(() => news.count()).toBe(0);
    await page.getByLabel('Also without it, side by side').check();
    await button('Draw').click();
    await tile('3, without adapter').waitFor();
    await tile(`3, with ${name}`).waitFor();
    const adapted = await downloaded(`3, with ${name}`);
    const [byServer] = await drawnByServer({ adapter: id, seed: 3, steps: 3 });
    expect(await largestDifference(adapted, byServer!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
    expect(await largestDifference(adapted, plain)).toBeGreaterThan(2 * MOST_DIFFERENCE);
    expect(await largestDifference(await downloaded('3, without adapter'), plain)).toBe(0);
  });

  test('is free of faults that axe finds', async () => {
    await openCreate({ images: 1, seed: 5, steps: 1 });
    await button('Draw').click();
    await tile('5').waitFor();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)).toEqual([]);
  });

  test('says why a model that the server does not give out cannot be drawn here', async () => {
    await page.route('**/api/v1/models/tiny/browser', (route) =>
      route.fulfill({
        status: 422,
        json: { error: { code: 'does_not_fit', message: 'too large', field: 'model' } },
      }),
    );
    await openCreate({ images: 1, seed: 5, steps: 1 });
    await button('Draw').click();
    await page.getByRole('alert').getByText('model: too large').waitFor();
    // The browser itself notes the refused request.
    faults = faults.filter((text) => !text.includes('422'));
  });
});
