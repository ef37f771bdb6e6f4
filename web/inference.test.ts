import { createHash } from 'node:crypto';
import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Adapter } from '../src/diffusion/adapter.ts';
import { readPngMetadata } from '../src/diffusion/image_metadata.ts';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { initialAdapter, trainedTensors, withTensors } from '../src/finetune/trained_part.ts';
import type { BrowserModel } from '../src/server/schemas/web_types.ts';
import { createLoraLayer } from '../src/weights/lora_file.ts';
import { weightsFromBytes } from '../src/weights/weights_in_memory.ts';
import { terminalSources } from './testing/built_terminal.ts';
import { drawOnDevice, largestDifference, MOST_DIFFERENCE } from './testing/device_drawing.ts';

/** Notes every preview that the page shows: on a small model they stand for milliseconds. */
const NOTE_PREVIEWS = `
  window.previews = [];
  new MutationObserver(() => {
    for (const { alt } of document.querySelectorAll('img[alt^="Preview"]')) window.previews.push(alt);
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
`;

const create = drawOnDevice('inference');

/** Milliseconds between two looks of the page at the server's adapters. */
const LOOK = 20_000;
/** The notice of a newer adapter. */
const offerOf = (name: string) =>
  create.page.getByRole('status').filter({ hasText: `A newer adapter is available: ${name}.` });

/** Files of adapters that the server has sent. */
async function adapterFilesSent(): Promise<number> {
  const metrics = await (await fetch(`${create.url}/metrics`)).text();
  const counts = metrics.matchAll(
    /^evenhand_http_request_seconds_count\{.*\/adapters\/:id\/file.*\} (\d+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
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
  const model = openTextToImageModel(create.model);
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
    const answer = await fetch(`${create.url}/api/v1/models/tiny/browser`);
    const model = (await answer.json()) as BrowserModel;
    expect(model).toMatchObject({ name: 'tiny', folder: 'model', configs: { unet: { in_channels: 4 } } });
    const { weights } = model;
    const file = await fetch(create.url + weights.url);
    expect(file.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect(file.headers.get('etag')).toBe(`"${weights.sha256}"`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    expect(bytes.length).toBe(weights.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(weights.sha256);
    const names = weightsFromBytes(bytes, '/w').names();
    expect(names).toContain('vae.decoder.conv_in.weight');
    expect(names.filter((name) => /^vae\.(encoder|quant_conv)/.test(name))).toEqual([]);
    const known = await fetch(create.url + weights.url, {
      headers: { 'if-none-match': `"${weights.sha256}"` },
    });
    expect(known.status).toBe(304);
    expect((await fetch(`${create.url}/api/v1/models/tiny/browser/other.safetensors`)).status).toBe(404);
  });

  test('comes with policies under which WebAssembly runs on several threads', async () => {
    const { headers } = await fetch(create.url);
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
    const answer = await fetch(`${create.url}/api/v1/judgements`, { method: 'POST', headers, body });
    expect(answer.status).toBe(422);
    expect(((await answer.json()) as { error: { message: string } }).error.message).toMatch(/^images\[1\]: /);
  });
});

describe('drawing on this device', () => {
  test('gives the images of the server, with their metadata, and keeps them over a reload', async () => {
    await create.open({ images: 2, seed: 41, steps: 4, guidanceScale: 3, negativePrompt: 'hat' });
    const sent: string[] = [];
    create.page.on('request', (request) =>
      sent.push(`${request.method()} ${new URL(request.url()).pathname}`),
    );
    await create.page.evaluate(NOTE_PREVIEWS);
    await create.button('Draw').click();
    await create.tile('42').waitFor();
    await create.page
      .getByText(/^Ready on the processor of this device \(WebAssembly, \d+ threads?\)\.$/)
      .waitFor();
    expect(sent).not.toContain('POST /api/v1/jobs');
    expect(await create.page.evaluate('window.previews')).toEqual(
      expect.arrayContaining(['Preview after step 2 of 4, seed 41', 'Preview after step 3 of 4, seed 42']),
    );
    const byServer = await create.drawnByServer({
      negativePrompt: 'hat',
      imagesPerPrompt: 2,
      seed: 41,
      steps: 4,
      guidanceScale: 3,
    });
    const here = [await create.downloaded('41'), await create.downloaded('42')];
    for (const [i, file] of here.entries()) {
      expect(await largestDifference(file, byServer[i]!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
      const { version: _, ...settings } = readPngMetadata(byServer[i]!).record as Record<string, unknown>;
      expect(readPngMetadata(file).record).toMatchObject(settings);
    }
    expect(await largestDifference(here[0]!, here[1]!)).toBeGreaterThan(2 * MOST_DIFFERENCE);
    await create.button('Measure on the server').click();
    await create.page.getByText('2 images, 2 faces').waitFor();
    await create.page.reload();
    expect(await create.downloaded('42')).toEqual(here[1]);
    await create.button('Remove from this list').click();
    await create.page.getByText('No images yet').waitFor();
    await expect
      .poll(() =>
        create.page.evaluate(
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
    await create.page.route('**/api/v1/{models,adapters}', async (route) => {
      await asked;
      await route.continue();
    });
    await create.open({ images: 1, seed: 6, steps: 1 });
    await create.button('Draw').click();
    listing();
    await create.tile('6').waitFor();
  });

  test('is cancelled before its next step, and the page can draw on', async () => {
    await create.open({ images: 64, seed: 7, steps: 200 });
    await create.button('Draw').click();
    await create.page.getByText(/^Step [1-9]\d* of 12800$/).waitFor();
    await create.button('Cancel').click();
    await expect.poll(() => create.page.getByText('not drawn').count()).toBeGreaterThan(60);
    await create.page.getByLabel('Images', { exact: true }).fill('1');
    await create.page.getByLabel('Seed', { exact: true }).fill('9');
    await create.page.getByText('Negative prompt, steps, guidance, model').click();
    await create.page.getByLabel('Steps').fill('2');
    await create.button('Draw').click();
    await create.tile('9').waitFor();
  });

  test.each([
    ['low-rank updates', () => LORA],
    ['soft tokens', () => SOFT_TOKENS],
    ['whole weights', wholeWeights],
  ])('takes up a newer adapter of the server: %s', async (kind, adapter) => {
    await create.open({ images: 1, seed: 3, steps: 3 });
    await create.button('Draw').click();
    await create.tile('3').waitFor();
    const plain = await create.downloaded('3');
    const name = kind.replace(' ', '-');
    const id = await create.land(name, adapter());
    // Coming back to the page looks at once.
    await create.page.evaluate("window.dispatchEvent(new Event('focus'))");
    const news = offerOf(name);
    await news.getByRole('button', { name: 'Use it' }).click();
    await expect.poll(() => create.page.getByLabel('Adapter').inputValue()).toBe(id);
    await expect.poll(() => news.count()).toBe(0);
    await create.page.getByLabel('Also without it, side by side').check();
    await create.button('Draw').click();
    await create.tile('3, without adapter').waitFor();
    await create.tile(`3, with ${name}`).waitFor();
    const adapted = await create.downloaded(`3, with ${name}`);
    const [byServer] = await create.drawnByServer({ adapter: id, seed: 3, steps: 3 });
    expect(await largestDifference(adapted, byServer!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
    expect(await largestDifference(adapted, plain)).toBeGreaterThan(2 * MOST_DIFFERENCE);
    expect(await largestDifference(await create.downloaded('3, without adapter'), plain)).toBe(0);
  });

  test('draws with an adapter as strongly as the slider says', async () => {
    const id = await create.land('half', LORA);
    await create.open({ images: 1, seed: 3, steps: 3, adapter: id, adapterScale: 0.5 });
    await create.button('Draw').click();
    await create.tile('3').waitFor();
    const half = await create.downloaded('3');
    const [byServer] = await create.drawnByServer({ adapter: id, adapterScale: 0.5, seed: 3, steps: 3 });
    const [full] = await create.drawnByServer({ adapter: id, seed: 3, steps: 3 });
    expect(await largestDifference(half, byServer!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
    expect(await largestDifference(half, full!)).toBeGreaterThan(2 * MOST_DIFFERENCE);
    expect(readPngMetadata(half).record).toMatchObject({ adapter: { name: 'half', scale: 0.5 } });
  });

  test('fetches what a fine-tuning leaves ahead, offers its best, and draws without asking for it again', async () => {
    await create.page.clock.install();
    await create.open({ images: 1, seed: 4, steps: 2 });
    const sentBefore = await adapterFilesSent();
    await create.finetune({
      name: 'balanced',
      target: 'gender=uniform',
      train: { part: 'layers', layers: ['unet.mid_block.*', 'text_encoder.*.layers.1.*'] },
      prompts: { train: 'occupations', imagesPerPrompt: 2 },
      sampler: { steps: [2, 2] },
      optimizer: { iterations: 2, learningRate: 0.05 },
      validation: { every: 2, prompts: 1, imagesPerPrompt: 2, steps: 2 },
    });
    await expect
      .poll(() => create.page.clock.fastForward(LOOK).then(() => offerOf('balanced-best').count()))
      .toBe(1);
    expect((await adapterFilesSent()) - sentBefore).toBe(1);
    await offerOf('balanced-best').getByRole('button', { name: 'Use it' }).click();
    await create.page.getByLabel('Also without it, side by side').check();
    await create.button('Draw').click();
    const adapted = await create.downloaded('4, with balanced-best');
    const plain = await create.downloaded('4, without adapter');
    expect((await adapterFilesSent()) - sentBefore).toBe(1);
    const adapter = await create.page.getByLabel('Adapter').inputValue();
    const [byServer] = await create.drawnByServer({ adapter, seed: 4, steps: 2 });
    expect(await largestDifference(adapted, byServer!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
    expect(await largestDifference(adapted, plain)).toBeGreaterThan(2 * MOST_DIFFERENCE);
  });

  test('asks again for an adapter that did not come, and offers it then', async () => {
    await create.page.clock.install();
    await create.open({ images: 1, seed: 4, steps: 2 });
    let asked = 0;
    await create.page.route('**/api/v1/adapters/*/file', (route) => {
      asked += 1;
      return asked === 1 ? route.abort() : route.continue();
    });
    await create.land('late', SOFT_TOKENS);
    // Time goes on until it has looked, has asked in vain, and asks again.
    await expect.poll(() => create.page.clock.fastForward(LOOK).then(() => asked)).toBeGreaterThan(1);
    await offerOf('late').waitFor();
    expect(asked).toBe(2);
  });

  test('is free of faults that axe finds', async () => {
    await create.open({ images: 1, seed: 5, steps: 1 });
    await create.button('Draw').click();
    await create.tile('5').waitFor();
    const { violations } = await new AxeBuilder({ page: create.page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)).toEqual([]);
  });

  test('says why a model that the server does not give out cannot be drawn here', async () => {
    await create.page.route('**/api/v1/models/tiny/browser', (route) =>
      route.fulfill({
        status: 422,
        json: { error: { code: 'does_not_fit', message: 'too large', field: 'model' } },
      }),
    );
    await create.open({ images: 1, seed: 5, steps: 1 });
    await create.button('Draw').click();
    await create.page.getByRole('alert').getByText('model: too large').waitFor();
    // The browser itself notes the refused request.
    create.forgive(/422/);
  });
});
