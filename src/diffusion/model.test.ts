/** The same weights in every layout of files give the same model; files that do not belong to a model are refused. */

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  familyConfigs,
  layoutParts,
  PUBLISHED_SIZES,
  randomFill,
  SMALL_SIZES,
  writeDirectory,
  writeTensors,
} from '../../test/layouts.ts';
import type { LayoutTensor } from '../../test/ldm_layout.ts';
import { singleFileTensors } from '../../test/ldm_layout.ts';
import { Runtime } from '../graph/index.ts';
import { openLdmCheckpoint } from '../weights/ldm/checkpoint.ts';
import { byteLengthOf, serialiseSafetensorsHeader, sortForFile } from '../weights/safetensors_header.ts';
import type { TextToImageModel } from './model.ts';
import { openTextToImageModel } from './model.ts';
import { TextToImagePipeline } from './pipeline.ts';
import { createPlan } from './schedulers/create_plan.ts';

const root = mkdtempSync(path.join(tmpdir(), 'evenhand-layouts-'));
const at = (name: string) => path.join(root, name);
const PARTS = ['textEncoder', 'unet', 'vae'] as const;
let runtime: Runtime;

beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(root, { recursive: true });
});

function family(version: 1 | 2) {
  const configs = familyConfigs(version, SMALL_SIZES[version]);
  const parts = layoutParts(configs, randomFill());
  return { configs, parts, single: singleFileTensors(parts, version) };
}

const families = { 1: family(1), 2: family(2) };

/** Compares bytes, for matchers take long on millions of elements. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return bytes(a).equals(bytes(b));
}

function expectSameWeights(model: TextToImageModel, version: 1 | 2): void {
  for (const part of PARTS) {
    for (const [name, { data }] of families[version].parts[part].tensors) {
      const old = name
        .replace('.to_q.', '.query.')
        .replace('.to_k.', '.key.')
        .replace('.to_v.', '.value.')
        .replace('.to_out.0.', '.proj_attn.');
      const { weights } = model[part];
      const got = weights.readFloat32(weights.has(name) ? name : old);
      if (!sameBits(got, data)) throw new Error(`${part} ${name}: expected the same bits`);
    }
  }
}

async function draw(model: TextToImageModel): Promise<Float32Array> {
  const pipeline = new TextToImagePipeline(runtime, model, { prompts: 1, denoiser: 1, decoder: 1 });
  const size = { height: 8, width: 8 };
  const condition = await pipeline.encodePrompts(['a photo of a nurse']);
  const plan = createPlan({ scheduler: model.scheduler, steps: 1 });
  const request = { condition, unconditional: condition, seeds: [1], plan, guidanceScale: 1, size };
  const { latents } = await pipeline.sample(request);
  const images = await pipeline.decode(latents, size);
  await pipeline.release();
  return images;
}

describe('the same weights in every layout', () => {
  const { parts, configs, single } = families[1];

  it.each([
    ['one file a component', {}],
    ['shards', { sharded: true }],
    ['only a variant', { variant: 'fp16' }],
    ['shards of a variant', { variant: 'fp16', sharded: true }],
    ['old names of the attention', { oldVaeNames: true }],
  ])('%s', (name, layout) => {
    const folder = at(name.replaceAll(' ', '-'));
    writeDirectory(folder, parts, configs, layout);
    expectSameWeights(openTextToImageModel(folder), 1);
  });

  it.each([1, 2] as const)('a single file of Stable Diffusion %i draws the same bits', async (version) => {
    const { parts, configs, single } = families[version];
    const folder = at(`directory-${version}`);
    const prediction = version === 1 ? 'epsilon' : 'v_prediction';
    writeDirectory(folder, parts, configs, { prediction });
    writeFileSync(
      path.join(folder, 'tokenizer/tokenizer_config.json'),
      JSON.stringify(version === 1 ? {} : { pad_token: '!' }),
    );
    const file = at(`single-${version}.safetensors`);
    writeTensors(file, new Map(single));
    const fromFile = openTextToImageModel(file);
    const fromFolder = openTextToImageModel(folder);
    expectSameWeights(fromFile, version);
    expect(fromFile.unet.weights.info('conv_in.weight').file).toBe(file);
    expect(fromFile.scheduler).toEqual(fromFolder.scheduler);
    expect(fromFile.defaultSide).toBe(version === 1 ? 512 : 768);
    expect(fromFile.tokenizer.padId).toBe(version === 1 ? 49407 : 0);
    const images = await draw(fromFile);
    expect(images.every(Number.isFinite)).toBe(true);
    expect(sameBits(images, await draw(fromFolder))).toBe(true);
  });

  it.each(['F16', 'BF16'] as const)('a single file of %s is read', (dtype) => {
    const file = at(`single-${dtype}.safetensors`);
    writeTensors(file, single, dtype);
    const model = openTextToImageModel(file);
    const name = 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight';
    const got = model.unet.weights.readFloat32(name);
    const { data } = parts.unet.tensors.get(name)!;
    const relative = dtype === 'F16' ? 2 ** -11 : 2 ** -8;
    const isNear = (value: number, i: number) =>
      Math.abs(value - data[i]!) <= relative * Math.abs(data[i]!) + 2 ** -24;
    expect(got.every(isNear)).toBe(true);
  });

  it('a variant is taken when it is asked for, and must exist', () => {
    const folder = at('both');
    writeDirectory(folder, parts, configs);
    const half = layoutParts(configs, (_, shape) =>
      new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
    );
    writeDirectory(folder, half, configs, { variant: 'fp16' });
    const first = (model: TextToImageModel) => model.unet.weights.readFloat32('conv_in.bias')[0];
    expect(first(openTextToImageModel(folder, { variant: 'fp16' }))).toBe(0.5);
    expect(first(openTextToImageModel(folder))).not.toBe(0.5);
    expect(() => openTextToImageModel(folder, { variant: 'ema' })).toThrow(/variant ema in some component/);
  });
});

describe('what a single file predicts', () => {
  const file = at('prediction.safetensors');
  const { single } = families[2];
  const scalar = (value: number): LayoutTensor => ({ shape: [], data: Float32Array.of(value) });

  it.each([
    ['velocity by default', new Map(), {}, undefined, 'v_prediction'],
    ['by the step of 2 base', new Map([['global_step', scalar(875_000)]]), {}, undefined, 'epsilon'],
    ['by its header', new Map(), { 'modelspec.prediction_type': 'epsilon' }, undefined, 'epsilon'],
    ['as the caller says', new Map(), {}, 'epsilon', 'epsilon'],
  ] as const)('%s', (_, more, metadata, prediction, expected) => {
    writeTensors(file, new Map([...single, ...more]), 'F32', metadata);
    const model = openTextToImageModel(file, { prediction });
    expect(model.scheduler.prediction).toBe(expected);
    expect(model.defaultSide).toBe(expected === 'epsilon' ? 512 : 768);
  });

  it('by the YAML file beside it', () => {
    writeTensors(file, single);
    writeFileSync(at('prediction.yaml'), 'model: { params: { linear_start: 0.00085 } }\n');
    expect(openTextToImageModel(file).scheduler.prediction).toBe('epsilon');
  });
});

describe('faults of a single file', () => {
  const file = at('faulty.safetensors');
  const write = (change: (tensors: Map<string, LayoutTensor>) => void, version: 1 | 2 = 1) => {
    const tensors = new Map(families[version].single);
    change(tensors);
    writeTensors(file, tensors);
    return () => openTextToImageModel(file);
  };
  const extra: LayoutTensor = { shape: [1], data: new Float32Array(1) };

  it('left-over tensors are listed', () => {
    const open = write((tensors) => {
      tensors.set('model.diffusion_model.input_blocks.1.0.spare.weight', extra);
      tensors.set('first_stage_model.encoder.down.0.attn.0.q.weight', extra);
      tensors.set('control_model.zero.weight', extra);
    });
    expect(open).toThrow(/3 tensors belong to no part.*control_model.*input_blocks.*down\.0\.attn\.0\.q/);
  });

  it('missing tensors are all listed', () => {
    const open = write((tensors) => {
      tensors.delete('model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight');
      tensors.delete('model.diffusion_model.middle_block.2.out_layers.3.bias');
    });
    expect(open).toThrow(
      /2 missing: mid_block\.resnets\.1\.conv2\.bias, up_blocks\.1\.attentions\.2\..*to_q/,
    );
  });

  it('a part that is missing is named', () => {
    const open = write((tensors) => {
      for (const name of [...tensors.keys()]) if (name.startsWith('first_stage_model.')) tensors.delete(name);
    });
    expect(open).toThrow(/it lacks an autoencoder \(first_stage_model/);
  });

  it('known harmless tensors are left out', () => {
    const open = write((tensors) => {
      for (const name of ['model_ema.decay', 'betas', 'alphas_cumprod_prev', 'sqrt_recipm1_alphas_cumprod']) {
        tensors.set(name, extra);
      }
      tensors.set('cond_stage_model.transformer.text_model.embeddings.position_ids', extra);
    });
    expect(open).not.toThrow();
  });

  it('pickled checkpoints are refused with advice', () => {
    writeFileSync(at('model.ckpt'), 'x');
    expect(() => openTextToImageModel(at('model.ckpt'))).toThrow(/pickled.*convert it to safetensors/);
  });
});

/** A file whose data are a hole: as long as the header says, and nothing on the disk. */
function writeHeaderOnly(file: string, tensors: ReadonlyMap<string, LayoutTensor>): void {
  const sorted = sortForFile(
    [...tensors].map(([name, { shape }]) => ({ name, dtype: 'F16' as const, shape })),
  );
  const header = serialiseSafetensorsHeader(sorted, {});
  writeFileSync(file, header);
  const bytes = sorted.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0);
  truncateSync(file, header.length + bytes);
}

describe('published sizes', () => {
  it.each([
    [1, 686, 248, 196],
    [2, 686, 248, 372],
  ] as const)('Stable Diffusion %i: every name of the single file is placed', (version, unet, vae, text) => {
    const configs = familyConfigs(version, PUBLISHED_SIZES[version]);
    const parts = layoutParts(configs, () => new Float32Array(0));
    const counts = [parts.unet, parts.vae, parts.textEncoder].map(({ tensors }) => tensors.size);
    expect(counts).toEqual([unet, vae, text]);
    const tensors = singleFileTensors(parts, version);
    const file = at(`published-${version}.safetensors`);
    writeHeaderOnly(file, tensors);
    const stored = openLdmCheckpoint(file);
    const components = { unet: 'unet', vae: 'vae', textEncoder: 'text_encoder' } as const;
    for (const part of PARTS) {
      const { weights } = stored.openModel(components[part]);
      const expected = [...parts[part].tensors].map(([name, { shape }]) => `${name} ${shape}`).sort();
      expect(
        weights
          .names()
          .map((name) => `${name} ${weights.info(name).shape}`)
          .sort(),
      ).toEqual(expected);
    }
    const model = openTextToImageModel(file);
    expect(model.unet.config.block_out_channels).toEqual([320, 640, 1280, 1280]);
    expect([model.unet.config.attention_head_dim].flat()).toEqual(version === 1 ? [8] : [5, 10, 20, 20]);
    expect(model.textEncoder.config.num_attention_heads).toBe(version === 1 ? 12 : 16);
  });
});
