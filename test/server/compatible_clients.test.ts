/** A listening server with real workers on the tiny model, used as OpenAI's and AUTOMATIC1111's clients use theirs. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import OpenAI from 'openai';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/diffusion/adapter_file.ts';
import { readPngMetadata } from '../../src/diffusion/image_metadata.ts';
import { tinyLora } from '../tiny_lora.ts';
import { testServer } from './test_server.ts';

const server = testServer('clients', {}, { listens: true });
let client: OpenAI;

beforeAll(() => {
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

const png = (base64: string) => Buffer.from(base64, 'base64');

describe('the official OpenAI client', () => {
  it('draws images, twice the same from one seed', async () => {
    const request = { prompt: 'a nurse', n: 2, size: '16x16', seed: 7, steps: 3 } as never;
    const one = await client.images.generate(request);
    expect(one.data).toHaveLength(2);
    const { width, format } = await sharp(png(one.data![0]!.b64_json!)).metadata();
    expect([width, format]).toEqual([16, 'png']);
    expect(one.usage!.input_tokens).toBeGreaterThan(0);
    expect(one.usage!.total_tokens).toBe(one.usage!.input_tokens + one.usage!.output_tokens);
    const again = await client.images.generate(request);
    expect(again.data!.map(({ b64_json }) => b64_json)).toEqual(one.data!.map(({ b64_json }) => b64_json));
    expect(one.data![0]!.b64_json).not.toBe(one.data![1]!.b64_json);
  });

  it('answers by address, and in other formats', async () => {
    const { data } = await client.images.generate({
      prompt: 'a cook',
      response_format: 'url',
      quality: 'low',
    });
    const image = await fetch(data![0]!.url!);
    expect(image.headers.get('content-type')).toBe('image/png');
    const webp = await client.images.generate({ prompt: 'a cook', output_format: 'webp', quality: 'low' });
    expect((await sharp(png(webp.data![0]!.b64_json!)).metadata()).format).toBe('webp');
  });

  it('streams partial images and the finished one', async () => {
    const stream = await client.images.generate({
      prompt: 'a pilot',
      stream: true,
      partial_images: 2,
      quality: 'low',
    });
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events.map(({ type }) => type)).toEqual([
      'image_generation.partial_image',
      'image_generation.partial_image',
      'image_generation.completed',
    ]);
    expect(events.map((event) => 'partial_image_index' in event && event.partial_image_index)).toEqual([
      0,
      1,
      false,
    ]);
    for (const { b64_json } of events) expect((await sharp(png(b64_json)).metadata()).height).toBe(16);
  });

  it('lists models and throws its own errors', async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['tiny']);
    expect((await client.models.retrieve('tiny')).owned_by).toBe('evenhand');
    await expect(client.models.retrieve('missing')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const wrong = client.images.generate({ prompt: 'x', size: '17x16' as never });
    await expect(wrong).rejects.toMatchObject({ status: 422, code: 'does_not_fit', param: 'size' });
    const empty = client.images.generate({ prompt: '' });
    await expect(empty).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param: 'prompt',
    });
  });
});

describe("AUTOMATIC1111's routes", () => {
  const post = async (address: string, body: unknown) => {
    const answer = await fetch(`${server.url}/sdapi/v1/${address}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as never as Record<string, never> };
  };

  it('draws, tells the settings, and reads them back from the image', async () => {
    const request = {
      prompt: 'a judge',
      seed: 5,
      steps: 2,
      batch_size: 2,
      sampler_name: 'Euler a',
      cfg_scale: 3,
    };
    const { status, body } = await post('txt2img', { ...request, enable_hr: false });
    expect(status).toBe(200);
    const images = body.images as string[];
    expect(images).toHaveLength(2);
    const info = JSON.parse(body.info!) as Record<string, unknown>;
    expect(info).toMatchObject({ seed: 5, all_seeds: [5, 6], sampler_name: 'Euler a' });
    const settings = readPngMetadata(png(images[1]!)).parameters!.settings;
    expect(settings).toMatchObject({ Seed: '6', Steps: '2', Sampler: 'Euler a', Size: '16x16' });
    const read = await post('png-info', { image: `data:image/png;base64,${images[1]}` });
    expect(read.body.info).toBe((info.infotexts as string[])[1]);
    expect(read.body.parameters).toMatchObject({ Prompt: 'a judge', Seed: '6' });
    const progress = (await (await fetch(`${server.url}/sdapi/v1/progress`)).json()) as { progress: number };
    expect(progress.progress).toBe(0);
  });

  it('uses an adapter that the prompt names, as strongly as it says, and lists those that there are', async () => {
    const file = path.join(server.folder, 'fair.safetensors');
    writeAdapter(file, tinyLora(), { 'evenhand.target': '{"gender":"uniform"}' });
    const sent = await fetch(`${server.url}/api/v1/adapters?name=fair`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: readFileSync(file),
    });
    expect(sent.status).toBe(201);
    const { sha256 } = (await sent.json()) as { sha256: string };
    const listed = await (await fetch(`${server.url}/sdapi/v1/loras`)).json();
    const metadata = { 'evenhand.model': 'tiny', 'evenhand.target': '{"gender":"uniform"}' };
    expect(listed).toEqual([{ name: 'fair', alias: 'fair', path: 'fair.safetensors', metadata }]);

    const draw = async (prompt: string) => {
      const { status, body } = await post('txt2img', { prompt, seed: 5, steps: 2, cfg_scale: 3 });
      expect([status, body.detail]).toEqual([200, undefined]);
      const image = png((body.images as string[])[0]!);
      return { info: JSON.parse(body.info!), image, pixels: await sharp(image).raw().toBuffer() };
    };
    const [plain, zero, half, full] = await Promise.all([
      draw('a judge'),
      draw('a judge <lora:fair:0>'),
      draw('a <lora:fair:0.5> judge'),
      draw('<lora:fair>a judge'),
    ]);
    expect(zero!.pixels).toEqual(plain!.pixels);
    expect(half!.pixels).not.toEqual(plain!.pixels);
    expect(half!.pixels).not.toEqual(full!.pixels);
    // OpenAI's clients name the same strength by a field of its own.
    const { data } = await client.images.generate({
      prompt: 'a judge',
      model: 'tiny:fair',
      seed: 5,
      steps: 2,
      guidance_scale: 3,
      adapter_scale: 0.5,
    } as never);
    expect(await sharp(png(data![0]!.b64_json!)).raw().toBuffer()).toEqual(half!.pixels);
    const { parameters, record, texts } = readPngMetadata(half!.image);
    expect(parameters!.prompt).toBe('a <lora:fair:0.5> judge');
    expect(parameters!.settings).toMatchObject({ Adapter: 'fair', 'Adapter scale': '0.5', Seed: '5' });
    expect(record).toMatchObject({ prompt: 'a judge', adapter: { name: 'fair', sha256, scale: 0.5 } });
    expect(half!.info).toMatchObject({
      prompt: 'a <lora:fair:0.5> judge',
      all_prompts: ['a <lora:fair:0.5> judge'],
      infotexts: [texts.get('parameters')],
    });
    const read = await post('png-info', { image: half!.image.toString('base64') });
    expect(read.body.parameters).toMatchObject({ Prompt: 'a <lora:fair:0.5> judge', 'Adapter scale': '0.5' });
  });

  it.each([
    [{ adapter_scale: 0.5 }, 'adapter_scale', /^422 adapter_scale: expected an adapter beside it/],
    [{ model: 'tiny:nobody' }, 'model', /^422 model: expected the id or name of an adapter, received nobody/],
    [{ size: '33x32' }, 'size', /^422 size: expected a multiple of \d+ pixels, received 33/],
  ])("OpenAI's clients are told of %j by the name of their own field", async (fields, param, message) => {
    const asked = client.images.generate({ prompt: 'a judge', model: 'tiny', ...fields } as never);
    const error = (await asked.then(
      () => null,
      (fault: unknown) => fault,
    )) as { param: string; message: string } | null;
    expect([error?.param, error?.message]).toEqual([param, expect.stringMatching(message)]);
  });

  it.each([
    ['x <lora:nobody:1>', 422, /^adapter: expected the id or name of an adapter, received nobody/],
    ['x <lora:fair:abc>', 422, /^prompt: expected <lora:NAME> or .* received <lora:fair:abc>/],
    ['x <lora:fair> <lora:fair>', 422, /^prompt: expected at most one/],
    ['<lora:fair:0.5>', 400, /^prompt: expected a text/],
  ])('refuses the tag in %j', async (prompt, expected, message) => {
    const { status, body } = await post('txt2img', { prompt });
    expect(body.detail).toMatch(message);
    expect(status).toBe(expected);
  });

  it('refuses what it does not know', async () => {
    const sampler = await post('txt2img', { prompt: 'x', sampler_name: 'Heun' });
    expect(sampler.status).toBe(422);
    expect(sampler.body.detail).toMatch(/sampler_name: expected DDPM, .* received Heun/);
    const image = await post('png-info', { image: 'AAAA' });
    expect(image.body.detail).toMatch(/^image: PNG: the signature is missing/);
  });
});
