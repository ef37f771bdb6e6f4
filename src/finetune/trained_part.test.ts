/** Every kind of training: what it adapts, its gradient against finite differences, and its files. */

import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import type { Adapter } from '../diffusion/adapter.ts';
import { readAdapter, writeAdapter } from '../diffusion/adapter_file.ts';
import { adapterInventory } from '../diffusion/adapter_inventory.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { openModelWeights } from '../weights/weight_files.ts';
import { openWeights } from '../weights/weight_source.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { drawImages } from './drawing.ts';
import type { IterationContext } from './iteration.ts';
import { computeIteration } from './iteration.ts';
import { dropFeatures } from './lora_dropout.ts';
import { matchNames } from './name_patterns.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';
import type { FinetuneSettings } from './settings.ts';
import { settings as tinySettings } from './testing/tiny_run.ts';
import type { TrainedPart } from './trained_part.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

const { folder, model, pipeline } = openTinyPipeline('trained-part');
const differentiate = new DirectFinetuning(pipeline);

const IMAGES = 2;
const slope = gaussianNoise({ seed: 9, stream: 'slope' }, IMAGES * 3 * model.defaultSide ** 2);

/** A fixed weighted sum of all pixels. */
const weighted: ImageObjective = {
  async evaluate({ images }) {
    const loss = images.reduce((sum, value, i) => sum + value * slope[i]!, 0);
    return { loss, metrics: {}, gradient: slope };
  },
  measure: async () => ({}),
};

const settings = (part: TrainedPart): FinetuneSettings => ({
  ...tinySettings,
  part,
  imagesPerPrompt: IMAGES,
  prompts: ['a photo of a nurse'],
  negativePrompt: 'blurred',
  samplingSteps: [2, 2],
  gradient: { mode: 'unadjusted', branches: 'both' },
  directory: folder,
});

/** The initial adapter with up factors that are not 0, where the gradient of the down factors would vanish. */
function movedAdapter(part: TrainedPart): Adapter {
  const initial = initialAdapter(model, part, 1);
  const tensors = [...trainedTensors(initial)].map(([name, values]): [string, Float32Array] => {
    if (!name.endsWith('lora_up')) return [name, values];
    return [name, gaussianNoise({ seed: 2, stream: name }, values.length).map((value) => value * 0.1)];
  });
  return withTensors(initial, new Map(tensors));
}

const UNET_ATTENTION = openModelWeights(path.join(model.path, 'unet'))
  .names()
  .filter((name) => /\.attn[12]\.to_(q|k|v|out\.0)\.weight$/.test(name))
  .map((name) => name.slice(0, -'.weight'.length));

const parts: [string, TrainedPart, number][] = [
  ['U-Net', { kind: 'unet', rank: 2, alpha: 4 }, 2 * UNET_ATTENTION.length],
  ['text encoder and U-Net', { kind: 'text-encoder+unet', rank: 2 }, 2 * (UNET_ATTENTION.length + 12)],
  [
    'chosen layers of both',
    { kind: 'text-encoder+unet', rank: 2, targets: ['mlp.fc1', 'unet.mid_block.*.proj_in', 'ff.net.*'] },
    2 * (2 + 1 + UNET_ATTENTION.length / 4),
  ],
  ['U-Net with dropout', { kind: 'unet', rank: 3, dropout: 0.4 }, 2 * UNET_ATTENTION.length],
  [
    'whole weights',
    {
      kind: 'layers',
      patterns: ['unet.mid_block.*.weight', 'text_encoder.*.layers.1.*', 'embeddings.token_embedding.weight'],
    },
    0,
  ],
];

function difference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

/** The gradient of an iteration is what central differences of its loss are, along itself and along a random direction. */
async function expectGradientOfDifferences(context: IterationContext, base: Adapter): Promise<void> {
  const values = trainedTensors(base);
  const { gradients } = await computeIteration(context, 4, base);
  expect([...gradients.keys()].sort()).toEqual([...values.keys()].sort());
  const lossAt = async (direction: ReadonlyMap<string, Float32Array>, step: number) => {
    const moved = [...values].map(([name, data]): [string, Float32Array] => [
      name,
      data.map((value, i) => value + step * direction.get(name)![i]!),
    ]);
    return (await computeIteration(context, 4, withTensors(base, new Map(moved)))).loss;
  };
  const random = new Map(
    [...values].map(([name, { length }]) => [name, gaussianNoise({ seed: 5, stream: name }, length)]),
  );
  const inner = (a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>) =>
    [...a].reduce(
      (sum, [name, data]) => sum + data.reduce((s, value, i) => s + value * b.get(name)![i]!, 0),
      0,
    );
  const gradientNorm = Math.sqrt(inner(gradients, gradients));
  for (const [name, direction] of [['its own', gradients] as const, ['a random', random] as const]) {
    const norm = Math.sqrt(inner(direction, direction));
    const unit = new Map([...direction].map(([key, data]) => [key, data.map((value) => value / norm)]));
    const step = 0.005;
    const quotient = ((await lossAt(unit, step)) - (await lossAt(unit, -step))) / (2 * step);
    const expected = inner(unit, gradients);
    const allowed = 0.02 * Math.abs(expected) + 0.002 * gradientNorm;
    expect(Math.abs(quotient - expected), `along ${name} direction: ${quotient}, ${expected}`).toBeLessThan(
      allowed,
    );
  }
}

it('takes the mean of the prompts of an iteration, each with noise of its own', async () => {
  const part: TrainedPart = { kind: 'text-encoder+unet', rank: 2, dropout: 0.3 };
  const several = {
    ...settings(part),
    prompts: ['a photo of a nurse', 'a pilot', 'playing chess'],
    promptsPerIteration: 2,
  };
  const seen: ObjectiveRequest[] = [];
  const objective: ImageObjective = {
    ...weighted,
    async evaluate(request) {
      seen.push(request);
      const { gradient, loss } = await weighted.evaluate(request);
      return { loss, gradient, metrics: { length: request.prompt.length } };
    },
  };
  const context = { pipeline, objective, differentiate, settings: several };
  const base = movedAdapter(part);
  await expectGradientOfDifferences(context, base);
  seen.length = 0;
  const drawn = new Set<string>();
  for (let iteration = 0; iteration < 4; iteration++) {
    const { prompts, loss, metrics } = await computeIteration(context, iteration, base);
    expect(new Set(prompts).size).toBe(2);
    const own = seen.splice(0);
    expect(own.map(({ prompt }) => prompt)).toEqual(prompts);
    expect(own.map((request) => request.iteration)).toEqual([2 * iteration, 2 * iteration + 1]);
    expect(own[0]!.originals).not.toEqual(own[1]!.originals);
    const losses = await Promise.all(own.map((request) => weighted.evaluate(request)));
    expect(loss).toBeCloseTo((losses[0]!.loss + losses[1]!.loss) / 2, 5);
    expect(metrics.length).toBe((prompts[0]!.length + prompts[1]!.length) / 2);
    for (const prompt of prompts) drawn.add(prompt);
  }
  expect(drawn.size).toBe(3);
});

describe.each(parts)('training the %s', (_, part, tensors) => {
  const context = { pipeline, objective: weighted, differentiate, settings: settings(part) };
  const base = movedAdapter(part);
  const values = trainedTensors(base);

  it('has the gradient that differences of the whole iteration have', async () => {
    if (tensors > 0) expect(values.size).toBe(tensors);
    await expectGradientOfDifferences(context, base);
  });

  it('writes files that draw the same images when they are read', async () => {
    const file = path.join(folder, `${part.kind}-${tensors}.safetensors`);
    writeAdapter(file, base, { target: 'gender' }, model);
    const read = readAdapter(file, model);
    const request = { ...settings(part), prompt: 'a pilot', seeds: [1, 2], steps: 2 };
    const [written, again, plain] = [
      await drawImages(pipeline, { ...request, adapter: base }),
      await drawImages(pipeline, { ...request, adapter: read }),
      await drawImages(pipeline, { ...request, adapter: initialAdapter(model, part, 1) }),
    ];
    expect(difference(again, written)).toBeLessThan(1e-5);
    if (part.kind !== 'layers') expect(difference(plain, written)).toBeGreaterThan(1e-3);
    const keys = openWeights([file]).names();
    const form =
      part.kind === 'layers'
        ? /^lora_(te|unet)_\w+\.diff(_b)?$/
        : /^lora_(te|unet)_\w+\.(lora_(up|down)\.weight|alpha)$/;
    for (const key of keys) expect(key).toMatch(form);
  });
});

describe('whole weights', () => {
  const part: TrainedPart = { kind: 'layers', patterns: ['unet.conv_out.*', 'final_layer_norm.bias'] };

  it('start as the model draws, and differ in the image once they are changed and read back', async () => {
    const initial = initialAdapter(model, part, 1);
    expect([...trainedTensors(initial).keys()]).toEqual([
      'textEncoder.text_model.final_layer_norm.bias',
      'unet.conv_out.weight',
      'unet.conv_out.bias',
    ]);
    const request = { ...settings(part), prompt: 'a pilot', seeds: [1], steps: 2 };
    const draw = (adapter: Adapter) => drawImages(pipeline, { ...request, adapter });
    const plain = await draw({ lora: null, softTokens: null });
    // The same numbers, but as inputs: constants go through other kernels.
    expect(difference(await draw(initial), plain)).toBeLessThan(1e-5);
    const tensors = new Map(
      [...trainedTensors(initial)].map(([name, data]) => [name, data.map((x) => x + 0.1)]),
    );
    const changed = withTensors(initial, tensors);
    const file = path.join(folder, 'whole.safetensors');
    writeAdapter(file, changed, {}, model);
    expect([...openWeights([file]).names()].sort()).toEqual([
      'lora_te_text_model_final_layer_norm.diff_b',
      'lora_unet_conv_out.diff',
      'lora_unet_conv_out.diff_b',
    ]);
    const images = await draw(readAdapter(file, model));
    const expected = await draw(changed);
    expect(difference(images, expected)).toBeLessThan(1e-5);
    expect(difference(images, plain)).toBeGreaterThan(0.01);
  });

  it('need their model to be written', () => {
    const adapter = initialAdapter(model, part, 1);
    expect(() => writeAdapter(path.join(folder, 'x.safetensors'), adapter)).toThrow(/need their model/);
  });
});

describe('what can be adapted', () => {
  const inventory = adapterInventory(model);

  it.each([
    ['textEncoder', 'text_encoder'],
    ['unet', 'unet'],
  ] as const)('%s: every parameter of the file that the graph uses, with its shape', (part, component) => {
    const source = openModelWeights(path.join(model.path, component));
    const names = source.names().filter((name) => !name.endsWith('position_ids'));
    expect([...inventory[part].parameters.keys()].sort()).toEqual([...names].sort());
    for (const [name, shape] of inventory[part].parameters)
      expect(source.info(name).shape, name).toEqual(shape);
  });

  it('the U-Net by default in every attention', () => {
    const { lora } = initialAdapter(model, { kind: 'unet', rank: 2 }, 1);
    expect([...lora!.unet.keys()].sort()).toEqual([...UNET_ATTENTION].sort());
    expect(lora!.textEncoder.size).toBe(0);
  });

  it.each([
    [
      { kind: 'unet', rank: 2, targets: ['to_kk'] },
      /train\.targets: "to_kk" fits none of \d+ names; nearest: to_k,/,
    ],
    [{ kind: 'text-encoder', rank: 2, targets: ['to_k'] }, /train\.targets: "to_k" fits none/],
    [{ kind: 'layers', patterns: ['unet.conv_in.wait'] }, /train\.layers.*nearest: .*unet\.conv_in\.weight/],
  ] as [TrainedPart, RegExp][])('%j is refused with near names', (part, message) => {
    expect(() => initialAdapter(model, part, 1)).toThrow(message);
  });
});

describe('patterns of names', () => {
  const names = ['unet.a.to_k', 'unet.b.to_k', 'unet.b.to_q', 'text.a.to_kv'];
  it.each([
    [['to_k'], ['unet.a.to_k', 'unet.b.to_k']],
    [['b.*'], ['unet.b.to_k', 'unet.b.to_q']],
    [
      ['unet.*.to_q', 'text.a.to_kv'],
      ['unet.b.to_q', 'text.a.to_kv'],
    ],
    [['*'], names],
    [['to_q', 'to_*'], names],
  ])('%j', (patterns, expected) => {
    expect(matchNames(patterns, names, 'x')).toEqual(expected);
  });
  it.each(['to_', 'net.a.to_k', 'a.to.k', 'unet.a'])('%s fits nothing', (pattern) => {
    expect(() => matchNames([pattern], names, 'field')).toThrow(/^field: /);
  });
});

describe('dropout of low-rank updates', () => {
  const adapter = movedAdapter({ kind: 'text-encoder', rank: 3 });
  const name = 'textEncoder.text_model.encoder.layers.0.mlp.fc1.lora_down';
  const downAt = (iteration: number, rate = 0.25) =>
    trainedTensors(dropFeatures(adapter, rate, { seed: 1, iteration }).adapter).get(name)!;
  const whole = trainedTensors(adapter).get(name)!;

  it('drops whole features, keeps the mean, and draws anew each iteration', () => {
    const width = whole.length / 3;
    const sums = new Float64Array(whole.length);
    const iterations = 2000;
    let dropped = 0;
    for (let iteration = 0; iteration < iterations; iteration++) {
      const down = downAt(iteration);
      for (let column = 0; column < width; column++) {
        const ratios = [0, 1, 2].map((row) => down[row * width + column]! / whole[row * width + column]!);
        expect(Math.max(...ratios) - Math.min(...ratios)).toBeLessThan(1e-5);
        if (ratios[0] === 0) dropped++;
      }
      for (let i = 0; i < down.length; i++) sums[i]! += down[i]! / iterations;
    }
    expect(dropped / (iterations * width)).toBeCloseTo(0.25, 1);
    sums.forEach((sum, i) => {
      expect(Math.abs(sum / whole[i]! - 1)).toBeLessThan(0.08);
    });
    expect(downAt(3)).toEqual(downAt(3));
    expect(downAt(3)).not.toEqual(downAt(4));
  });

  it('leaves the adapter itself alone, and everything at rate 0', () => {
    const before = whole.slice();
    downAt(1, 0.9);
    expect(whole).toEqual(before);
    expect(dropFeatures(adapter, 0, { seed: 1, iteration: 1 }).adapter).toBe(adapter);
  });
});
