import { describe, expect, it } from 'vitest';
import { maxDifference } from '../../test/read_fixture.ts';
import { tinyLora } from '../../test/tiny_lora.ts';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { type Adapter, adapterLayout, layoutKey, NO_ADAPTER } from './adapter.ts';
import { type AdapterKind, scaledAdapter, scaleFault } from './adapter_scale.ts';
import { adapterKindOf } from './adapter_weights.ts';
import { createPlan } from './schedulers/create_plan.ts';

const { model, pipeline } = openTinyPipeline('adapter-scale');

const softTokens = { count: 1, width: 32, data: new Float32Array(32) };
const weights = {
  textEncoder: new Map(),
  unet: new Map([['conv_in.bias', { shape: [16], data: new Float32Array(16) }]]),
};

const plan = createPlan({ scheduler: model.scheduler, steps: 2 });
const size = pipeline.latentSize();

async function draw(adapter: Adapter): Promise<Float32Array> {
  const { latents } = await pipeline.sample({
    condition: await pipeline.encodePrompts(['a nurse', 'a pilot'], adapter),
    unconditional: await pipeline.encodePrompts(['', ''], adapter),
    ...{ seeds: [1, 2], plan, guidanceScale: 3, size, adapter },
  });
  return Float32Array.from(await pipeline.decode(latents, size));
}

describe('a scaled adapter', () => {
  it('draws what one whose alphas were scaled draws', async () => {
    expect(await draw(scaledAdapter(tinyLora(), 0.5))).toEqual(await draw(tinyLora(0.5)));
    const [above, below] = [1.3, -0.7].map(
      (scale) => [scaledAdapter(tinyLora(), scale), tinyLora(scale)] as const,
    );
    for (const [scaled, expected] of [above!, below!]) {
      expect(maxDifference(await draw(scaled), await draw(expected))).toBeLessThan(1e-4);
    }
  });

  it('leads from the images without it to those with it, and past them', async () => {
    const without = await draw(NO_ADAPTER);
    const images = new Map<number, Float32Array>();
    for (const scale of [0, 0.5, 1, 1.5]) images.set(scale, await draw(scaledAdapter(tinyLora(), scale)));
    expect(images.get(0)).toEqual(without);
    expect(images.get(1)).toEqual(await draw(tinyLora()));
    const pairs = [...images.values()].flatMap((a, i) =>
      [...images.values()].slice(i + 1).map((b) => [a, b]),
    );
    expect(pairs).toHaveLength(6);
    for (const [a, b] of pairs) expect(maxDifference(a!, b!)).toBeGreaterThan(1e-3);
  });

  it('is the adapter itself at 1, and keeps its layout and its own numbers at other scales', () => {
    const adapter = tinyLora();
    const before = Float32Array.from([...adapter.lora!.unet.values()][0]!.up.data);
    expect(scaledAdapter(adapter, 1)).toBe(adapter);
    const scaled = scaledAdapter(adapter, -2);
    for (const part of ['textEncoder', 'unet'] as const) {
      expect(layoutKey(adapterLayout(scaled), part)).toBe(layoutKey(adapterLayout(adapter), part));
    }
    expect([...adapter.lora!.unet.values()][0]!.up.data).toEqual(before);
    expect([...scaled.lora!.unet.values()][0]!.up.data).toEqual(before.map((value) => -2 * value));
  });

  it.each([
    ['soft tokens', { ...NO_ADAPTER, softTokens }],
    ['whole weights', { ...NO_ADAPTER, weights }],
    ['soft tokens and whole weights', { ...tinyLora(), softTokens, weights }],
  ])('cannot be one with %s', (what, adapter) => {
    expect(scaledAdapter(adapter, 1)).toBe(adapter);
    for (const scale of [0, 0.5]) {
      expect(() => scaledAdapter(adapter, scale)).toThrow(
        `adapter scale: expected 1 for an adapter of ${what}, received ${scale}; low-rank updates alone`,
      );
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('has no scale of %s', (scale) => {
    expect(() => scaledAdapter(tinyLora(), scale)).toThrow(`expected a finite number, received ${scale}`);
    expect(() => scaledAdapter(NO_ADAPTER, scale)).toThrow('finite');
  });
});

describe("an adapter's file", () => {
  it.each<[AdapterKind, string[]]>([
    ['softTokens', ['emb_params']],
    ['softTokens', ['<fair>']],
    ['softTokens', ['token_embedding.weight', 'position_ids']],
    ['weights', ['lora_unet_conv_in.diff', 'lora_unet_conv_in.diff_b']],
    ['lora', ['lora_unet_mid.lora_down.weight', 'lora_unet_mid.lora_up.weight', 'lora_unet_mid.alpha']],
    ['lora', ['unet.mid_block.to_q.lora_A.weight']],
  ])('tells by its names alone that it holds %s', (kind, names) => {
    expect(adapterKindOf(names)).toBe(kind);
    expect(scaleFault([kind], 0.5) === null).toBe(kind === 'lora');
  });
});
