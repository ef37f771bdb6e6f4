import { afterAll, describe, expect, it } from 'vitest';
import { readFixtureJson } from '../../../test/read_fixture.ts';
import { gaussianNoise } from '../../diffusion/noise.ts';
import { input, Runtime, type Tensors, type Value } from '../../graph/index.ts';
import {
  fileParameters,
  parseUNetConfig,
  parseVaeConfig,
  unet,
  vaeDecode,
  vaeEncode,
  vaeSample,
} from '../../models/index.ts';
import { openModelWeights } from '../../weights/weight_files.ts';
import { decoderLoss } from './decoder.ts';
import { denoisingLoss } from './denoiser.ts';
import { vaeLoss } from './vae.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const folder = (name: string) => new URL(`../../../test/fixtures/${name}`, import.meta.url).pathname;
const vae = parseVaeConfig(readFixtureJson('vae/sd1-l1/config.json'));
const vaeParameters = fileParameters(openModelWeights(folder('vae/sd1-l1')));
const BATCH = 2;
const SIDE = 8;
const LATENTS = [BATCH, 4, SIDE / 2, SIDE / 2] as const;
const image = gaussianNoise({ seed: 1, stream: 'image' }, BATCH * 3 * SIDE * SIDE);
const latents = gaussianNoise({ seed: 1, stream: 'latents' }, BATCH * 4 * 16);

/** Values of outputs by name. Graphs of a loss and of its model have inputs of the same names: they run apart. */
async function compute(
  outputs: Record<string, Value>,
  feeds: Tensors,
): Promise<Record<string, Float32Array>> {
  const executable = await runtime.compile(outputs);
  const results = await executable.run(feeds);
  await executable.release();
  return results as Record<string, Float32Array>;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Means over neighbours to the right and below of weight times the size of their difference, added up. */
function edges(
  difference: ArrayLike<number>,
  weightAt: (plane: number, row: number, column: number) => number,
) {
  const across: number[] = [];
  const down: number[] = [];
  for (let plane = 0; plane < BATCH * 3; plane++) {
    const at = (row: number, column: number) => difference[(plane * SIDE + row) * SIDE + column]!;
    for (let i = 0; i < SIDE; i++) {
      for (let k = 1; k < SIDE; k++) {
        across.push(weightAt(plane, i, k) * Math.abs(at(i, k) - at(i, k - 1)));
        down.push(weightAt(plane, k, i) * Math.abs(at(k, i) - at(k - 1, i)));
      }
    }
  }
  return mean(across) + mean(down);
}

const pixelWeights = Float32Array.from({ length: BATCH * SIDE * SIDE }, (_, i) => 0.5 + (i % 5) / 4);

function weightAt(plane: number, row: number, column: number): number {
  return pixelWeights[Math.floor(plane / 3) * SIDE * SIDE + row * SIDE + column]!;
}

function reconstruction(difference: readonly number[], weights: { edges: number; squares: number }): number {
  const weighted = difference.map((value, i) => {
    const [plane, pixel] = [Math.floor(i / (SIDE * SIDE)), i % (SIDE * SIDE)];
    const weight = weightAt(plane, Math.floor(pixel / SIDE), pixel % SIDE);
    return weight * (Math.abs(value) + weights.squares * value * value);
  });
  return mean(weighted) + weights.edges * edges(difference, weightAt);
}

describe('the losses of the autoencoder', () => {
  it('add up error, edges and divergence', async () => {
    const { loss, metrics } = vaeLoss(vae, vaeParameters, BATCH, SIDE, {
      edges: 0.5,
      squares: 0.75,
      divergence: 0.25,
    });
    const moments = vaeEncode(vae, vaeParameters, input('image', [BATCH, 3, SIDE, SIDE]));
    const decoded = vaeDecode(vae, vaeParameters, vaeSample(moments, input('noise', LATENTS)));
    const feeds = { image, noise: latents };
    const parts = { error: metrics.error!, divergence: metrics.divergence! };
    const found: Record<string, Float32Array> = {
      ...(await compute({ loss, ...parts }, { ...feeds, weights: pixelWeights })),
      ...(await compute({ decoded, mean: moments.mean, logvar: moments.logvar }, feeds)),
    };
    const difference = [...found.decoded!].map((value, i) => value - image[i]!);
    const error = mean(difference.map(Math.abs));
    // KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - log s^2 - 1) / 2.
    const divergence = mean(
      [...found.mean!].map((m, i) => (m * m + Math.exp(found.logvar![i]!) - found.logvar![i]! - 1) / 2),
    );
    expect(found.error![0]).toBeCloseTo(error, 4);
    expect(found.divergence![0]! / divergence).toBeCloseTo(1, 4);
    const expected = reconstruction(difference, { edges: 0.5, squares: 0.75 }) + 0.25 * divergence;
    expect(found.loss![0]! / expected).toBeCloseTo(1, 4);
  });

  it('of the decoder alone weigh every pixel', async () => {
    const { loss, metrics } = decoderLoss(vae, vaeParameters, BATCH, SIDE, { edges: 0.5, squares: 0.75 });
    const decoded = vaeDecode(vae, vaeParameters, input('latents', LATENTS));
    const found: Record<string, Float32Array> = {
      ...(await compute({ loss, error: metrics.error! }, { latents, image, weights: pixelWeights })),
      ...(await compute({ decoded }, { latents })),
    };
    const difference = [...found.decoded!].map((value, i) => value - image[i]!);
    expect(found.error![0]).toBeCloseTo(mean(difference.map(Math.abs)), 4);
    const expected = reconstruction(difference, { edges: 0.5, squares: 0.75 });
    expect(found.loss![0]! / expected).toBeCloseTo(1, 4);
  });
});

describe('the loss of the denoiser', () => {
  it('is the mean over images of weight times squared error', async () => {
    const config = parseUNetConfig(readFixtureJson('unet/sd1-l1/config.json'));
    const parameters = fileParameters(openModelWeights(folder('unet/sd1-l1')));
    const context = input('context', [BATCH, 3, 32]);
    const { loss, metrics } = denoisingLoss(config, parameters, context, 4);
    const predicted = unet(config, parameters, input('noisy', LATENTS), input('timesteps', [BATCH]), context);
    const noise = gaussianNoise({ seed: 1, stream: 'noise' }, latents.length);
    const feeds = {
      noisy: latents,
      timesteps: Float32Array.of(10, 900),
      context: gaussianNoise({ seed: 1, stream: 'context' }, BATCH * 3 * 32),
    };
    const weights = Float32Array.of(0.25, 1);
    const found: Record<string, Float32Array> = {
      ...(await compute({ loss, error: metrics.error! }, { ...feeds, target: noise, weights })),
      ...(await compute({ predicted }, feeds)),
    };
    const squares = [...found.predicted!].map((value, i) => (value - noise[i]!) ** 2);
    const [first, second] = [mean(squares.slice(0, 64)), mean(squares.slice(64))];
    expect(found.loss![0]! / ((0.25 * first! + second!) / 2)).toBeCloseTo(1, 4);
    expect(found.error![0]! / ((first! + second!) / 2)).toBeCloseTo(1, 4);
  });
});
