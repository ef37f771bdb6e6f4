import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { familyConfigs, layoutParts, randomFill, SMALL_SIZES, writeTensors } from '../../test/layouts.ts';
import { singleFileTensors } from '../../test/ldm_layout.ts';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { createLoraLayer, LORA_PARTS, type LoraLayer, type LoraPart } from '../weights/lora_file.ts';
import { mergeLoraLayer } from '../weights/lora_merge.ts';
import { openSafetensors, readTensorFloat32 } from '../weights/safetensors.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import type { Adapter } from './adapter.ts';
import { NO_ADAPTER } from './adapter.ts';
import { type AdapterFormat, readAdapter, writeAdapter } from './adapter_file.ts';
import { adapterInventory } from './adapter_inventory.ts';
import { writeMergedModel } from './merged_model.ts';
import { openTextToImageModel, type TextToImageModel } from './model.ts';
import { TextToImagePipeline } from './pipeline.ts';
import { createPlan } from './schedulers/create_plan.ts';

const { folder, model, runtime, pipeline } = openTinyPipeline('export');
const at = (...names: string[]) => path.join(folder, ...names);

/** Numbers without a pattern, the same at every call with one seed. */
function numbers(count: number, seed: number, size: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => size * Math.sin(12.9898 * (i + 1) + 78.233 * seed));
}

/** Attention of both parts, ranks and alphas of two kinds. */
function loraFor(target: TextToImageModel): Adapter {
  const inventory = adapterInventory(target);
  const layersOf = (part: LoraPart): Map<string, LoraLayer> => {
    const modules = [...inventory[part].modules].filter(([name]) => /(_proj|to_q|to_out\.0|fc1)$/.test(name));
    return new Map(
      modules.map(([name, { inputs, outputs }], i) => {
        const rank = i % 2 === 0 ? 2 : 3;
        const down = { shape: [rank, inputs], data: numbers(rank * inputs, i, 0.5) };
        const up = { shape: [outputs, rank], data: numbers(outputs * rank, i + 100, 0.5) };
        return [name, createLoraLayer(down, up, i % 3 === 0 ? 1 : rank)];
      }),
    );
  };
  return {
    lora: { textEncoder: layersOf('textEncoder'), unet: layersOf('unet'), metadata: {} },
    softTokens: null,
  };
}

const plan = createPlan({ scheduler: model.scheduler, steps: 2 });
const size = { height: 8, width: 8 };

async function drawWith(used: TextToImagePipeline, adapter: Adapter): Promise<Float32Array> {
  const texts = (prompts: string[]) => used.encodePrompts(prompts, adapter);
  const { latents } = await used.sample({
    ...{ condition: await texts(['a cat', 'a dog']), unconditional: await texts(['', '']) },
    ...{ seeds: [1, 2], plan, guidanceScale: 3, size, adapter },
  });
  return Float32Array.from(await used.decode(latents, size));
}

const draw = (adapter: Adapter) => drawWith(pipeline, adapter);

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const lora = loraFor(model);
const softTokens: Adapter = { lora: null, softTokens: { count: 2, width: 32, data: numbers(64, 7, 1) } };
const [replaced] = model.unet.weights.names().filter((name) => name.endsWith('conv_in.weight'));
const weights: Adapter = {
  lora: null,
  softTokens: null,
  weights: {
    textEncoder: new Map(),
    unet: new Map([
      [
        replaced!,
        {
          shape: model.unet.weights.info(replaced!).shape,
          data: model.unet.weights.readFloat32(replaced!).map((value, i) => value + 0.25 * Math.sin(i)),
        },
      ],
    ]),
  },
};

let plain: Float32Array;
let adapted: Float32Array;
beforeAll(async () => {
  plain = await draw(NO_ADAPTER);
  adapted = await draw(lora);
});

describe('an adapter in another format', () => {
  it.each<[AdapterFormat, string]>([
    ['kohya', 'kohya.safetensors'],
    ['diffusers', 'diffusers.safetensors'],
    ['peft', 'peft'],
  ])('draws the same images from %s', async (format, name) => {
    writeAdapter(at(name), lora, { 'evenhand.target': '"gender=uniform"' }, model, { format });
    const read = readAdapter(at(name), model);
    expect(read.lora!.metadata['evenhand.target']).toBe('"gender=uniform"');
    expect(largestDifference(await draw(read), adapted)).toBe(0);
    expect(largestDifference(plain, adapted)).toBeGreaterThan(0.01);
  });

  it('is half as large in float16, and draws nearly the same', async () => {
    writeAdapter(at('half.safetensors'), lora, {}, model, { dtype: 'F16' });
    expect(statSync(at('half.safetensors')).size).toBeLessThan(statSync(at('kohya.safetensors')).size * 0.75);
    const difference = largestDifference(await draw(readAdapter(at('half.safetensors'), model)), adapted);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.02);
  });

  it.each([
    ['emb_params', false],
    ['<fair>', false],
    ['prefix', true],
  ])('draws the same images from soft tokens as %s', async (token, isPrefix) => {
    const file = at(`tokens ${token.replaceAll(/\W/g, '')}.safetensors`);
    const { data } = softTokens.softTokens!;
    if (isPrefix) {
      // The reference's module: a placeholder row, the tokens, and the encoder's own positions.
      const name = model.textEncoder.weights.names().find((each) => /position_embedding/.test(each))!;
      const positions = model.textEncoder.weights.readFloat32(name);
      const table = new Float32Array(96);
      table.set(data, 32);
      const ids = BigInt64Array.from({ length: 77 }, (_, i) => BigInt(i));
      const tensors = new Map([
        ['position_embedding.weight', { dtype: 'F32' as const, shape: [77, 32], data: positions }],
        ['position_ids', { dtype: 'I64' as const, shape: [1, 77], data: ids }],
        ['token_embedding.weight', { dtype: 'F32' as const, shape: [3, 32], data: table }],
      ]);
      writeSafetensors(file, tensors);
    } else {
      writeAdapter(file, softTokens, {}, undefined, { token });
      expect([...openSafetensors(file).tensors.keys()]).toEqual([token]);
    }
    expect(readAdapter(file, model)).toEqual(softTokens);
  });

  it("is read from the reference implementation's files, under their names", async () => {
    const tensors = new Map<string, { dtype: 'F32'; shape: readonly number[]; data: Float32Array }>();
    const expected = {
      textEncoder: new Map<string, LoraLayer>(),
      unet: new Map<string, LoraLayer>(),
      metadata: {},
    };
    for (const part of LORA_PARTS) {
      for (const [module, { down, up }] of lora.lora![part]) {
        const attention = /^(.*\.attn[12])\.to_(q|out)(\.0)?$/.exec(module);
        if (part === 'unet' && attention === null) continue;
        // AttnProcsLayers for the U-Net, named_parameters of the patched encoder; no alpha: a scale of 1.
        const key = (role: string) =>
          attention === null
            ? `${module}.lora_linear_layer.${role}.weight`
            : `${attention[1]}.processor.to_${attention[2]}_lora.${role}.weight`;
        tensors.set(key('down'), { dtype: 'F32', ...down });
        tensors.set(key('up'), { dtype: 'F32', ...up });
        expected[part].set(module, createLoraLayer(down, up));
      }
    }
    expect(expected.textEncoder.size).toBeGreaterThan(5);
    expect(expected.unet.size).toBeGreaterThan(5);
    writeSafetensors(at('reference.safetensors'), tensors);
    expect(readAdapter(at('reference.safetensors'), model)).toEqual({ lora: expected, softTokens: null });
    tensors.set('encoder.nonsense.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    writeSafetensors(at('reference.safetensors'), tensors);
    expect(() => readAdapter(at('reference.safetensors'), model)).toThrow(
      /"encoder.nonsense.weight" is not the name/,
    );
  });

  it.each<[string, Adapter, AdapterFormat, RegExp]>([
    ['soft tokens', softTokens, 'kohya', /soft tokens cannot be written as kohya, only as textual-inversion/],
    ['soft tokens', softTokens, 'peft', /soft tokens cannot be written as peft/],
    [
      'updates',
      lora,
      'textual-inversion',
      /low-rank updates cannot be written as textual-inversion, only as kohya/,
    ],
    ['whole weights', weights, 'diffusers', /whole weights cannot be written as diffusers, only as kohya/],
  ])('is refused for %s where the format has no place for them', (_, adapter, format, message) => {
    expect(() => writeAdapter(at('no.safetensors'), adapter, {}, model, { format })).toThrow(message);
    expect(existsSync(at('no.safetensors'))).toBe(false);
  });

  it.each<[string, Record<string, readonly number[]>, RegExp]>([
    [
      'beside others',
      { emb_params: [2, 32], clip_l: [2, 32] },
      /expected emb_params alone, received also clip_l/,
    ],
    [
      'of Stable Diffusion XL',
      { clip_g: [2, 40], clip_l: [2, 32] },
      /textual inversion of Stable Diffusion XL/,
    ],
    ['of another width', { '<x>': [2, 16] }, /expected <x> \[1..75, 32\], received \[2, 16\]/],
    ['too many', { emb_params: [76, 32] }, /received \[76, 32\]/],
    [
      'with other positions',
      { 'token_embedding.weight': [3, 32], 'position_embedding.weight': [77, 32] },
      /position_embedding.weight: expected those of the model's text encoder/,
    ],
  ])('refuses soft tokens %s', (name, shapes, message) => {
    const file = at(`${name.replaceAll(/\W/g, '-')}.safetensors`);
    const tensors = Object.entries(shapes).map(([key, shape]) => {
      const data = new Float32Array(shape.reduce((product, each) => product * each, 1)).fill(5);
      return [key, { dtype: 'F32' as const, shape, data }] as const;
    });
    writeSafetensors(file, new Map(tensors));
    expect(() => readAdapter(file, model)).toThrow(message);
  });
});

describe('a merged model', () => {
  const opened = (name: string) => openTextToImageModel(at(name));
  const drawMerged = async (name: string) => {
    const merged = new TextToImagePipeline(runtime, opened(name), { prompts: 2, denoiser: 2, decoder: 2 });
    const images = await drawWith(merged, NO_ADAPTER);
    await merged.release();
    return images;
  };

  it('draws what the model draws with the adapter, and is whole', async () => {
    mkdirSync(at('model', 'classifier'));
    writeFileSync(at('model', 'classifier', 'model.safetensors'), Buffer.alloc(2_000_000));
    writeFileSync(at('model', 'unet', 'diffusion_pytorch_model.bin'), 'pickled');
    const banks = ['face_bank.safetensors', 'face_bank_evaluation.safetensors'];
    for (const name of [...banks, 'whole.safetensors']) writeFileSync(at('model', name), name);
    const seen: number[] = [];
    const onTensor = (done: number, all: number) => seen.push(done / all);
    await writeMergedModel(at('model'), lora, at('merged'), {
      metadata: { 'evenhand.model': 'tiny' },
      onTensor,
    });
    expect(largestDifference(await drawMerged('merged'), adapted)).toBeLessThan(1e-4);
    expect(seen).toEqual(seen.map((_, i) => (i + 1) / seen.length));
    const header = openSafetensors(at('merged', 'unet', 'diffusion_pytorch_model.safetensors')).metadata;
    expect(header).toEqual({ format: 'pt', 'evenhand.model': 'tiny' });
    expect(readdirSync(at('merged', 'unet')).sort()).toEqual([
      'config.json',
      'diffusion_pytorch_model.safetensors',
    ]);
    expect(
      readdirSync(at('merged'))
        .filter((name) => name.endsWith('.safetensors'))
        .sort(),
    ).toEqual(banks);
    const inode = (name: string) => statSync(at(name, 'classifier', 'model.safetensors')).ino;
    expect(inode('merged')).toBe(inode('model'));
    for (const name of [
      'tokenizer/merges.txt',
      'scheduler/scheduler_config.json',
      'vae/diffusion_pytorch_model.safetensors',
    ]) {
      expect(Buffer.compare(readFileSync(at('merged', name)), readFileSync(at('model', name)))).toBe(0);
    }
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is half as large in float16, every network of it', async () => {
    await writeMergedModel(at('model'), lora, at('half'), { dtype: 'F16' });
    for (const part of ['unet', 'vae', 'textEncoder'] as const) {
      const { weights: source } = opened('half')[part];
      const types = new Set(source.names().map((name) => source.info(name).dtype));
      expect(types.has('F32')).toBe(false);
      expect(types.has('F16')).toBe(true);
    }
    expect(largestDifference(await drawMerged('half'), adapted)).toBeLessThan(0.05);
  });

  it('has whole weights in place of its own', async () => {
    await writeMergedModel(at('model'), weights, at('whole'));
    expect(largestDifference(await drawMerged('whole'), await draw(weights))).toBeLessThan(1e-4);
    const source = opened('whole').unet.weights;
    expect(source.readFloat32(replaced!)).toEqual(weights.weights!.unet.get(replaced!)!.data);
  });

  it('comes from a single-file checkpoint as well, as a folder that needs no other', async () => {
    const parts = layoutParts(familyConfigs(1, SMALL_SIZES[1]), randomFill());
    const file = at('checkpoint.safetensors');
    writeTensors(file, singleFileTensors(parts, 1));
    const base = openTextToImageModel(file);
    const adapter = loraFor(base);
    await writeMergedModel(file, adapter, at('from file'));
    const merged = opened('from file');
    const [module, layer] = [...adapter.lora!.unet][3]!;
    const name = `${module}.weight`;
    const expected = mergeLoraLayer(
      base.unet.weights.readFloat32(name),
      base.unet.weights.info(name).shape,
      layer,
    );
    expect(largestDifference(merged.unet.weights.readFloat32(name), expected)).toBe(0);
    for (const part of ['unet', 'vae', 'textEncoder'] as const) {
      expect([...merged[part].weights.names()].sort()).toEqual([...base[part].weights.names()].sort());
    }
    expect(merged.tokenizer.encodeText('a cat')).toEqual(base.tokenizer.encodeText('a cat'));
    expect(merged.schedulerFile).toEqual(base.schedulerFile);
    const index = JSON.parse(readFileSync(at('from file', 'model_index.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(index).toMatchObject({ _class_name: 'StableDiffusionPipeline', safety_checker: [null, null] });
  });

  it('is refused, and leaves nothing behind, where it cannot be', async () => {
    const merge = (adapter: Adapter, options = {}, name = 'refused') =>
      writeMergedModel(at('model'), adapter, at(name), options);
    await expect(merge(softTokens)).rejects.toThrow(
      /soft tokens.*cannot be merged into weights; write them as textual-inversion/,
    );
    await expect(merge(NO_ADAPTER)).rejects.toThrow(/expected an adapter/);
    await expect(merge(lora, {}, 'merged')).rejects.toThrow(/expected no such folder, or an empty one/);
    await expect(merge(lora, { replace: true }, 'model/tokenizer')).rejects.toThrow(/or a model to replace/);
    const [name, { down, up }] = [...lora.lora!.unet][0]!;
    const huge = createLoraLayer(down, { ...up, data: up.data.map((value) => value * 1e7) });
    const tooLarge = { lora: { ...lora.lora!, unet: new Map([[name, huge]]) }, softTokens: null };
    await expect(merge(tooLarge, { dtype: 'F16' })).rejects.toThrow(
      new RegExp(`unet ${name}.weight.*does not fit F16; write float32`),
    );
    const unknown = { lora: { ...lora.lora!, unet: new Map([['nowhere', huge]]) }, softTokens: null };
    await expect(merge(unknown)).rejects.toThrow(/unet has no parameter nowhere.weight/);
    const stopped = AbortSignal.abort(new Error('stopped by hand'));
    await expect(merge(lora, { signal: stopped })).rejects.toThrow(/stopped by hand/);
    expect(readdirSync(folder).filter((each) => /refused|\.tmp$/.test(each))).toEqual([]);
    await merge(lora, { replace: true }, 'merged');
  });
});

describe('merging a layer', () => {
  it('adds (alpha / rank) up down, of convolutions too', () => {
    const down = { shape: [2, 3, 1, 1], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const up = { shape: [2, 2, 1, 1], data: Float32Array.of(1, 0, 1, -1) };
    const merged = mergeLoraLayer(
      Float32Array.of(1, 1, 1, 0, 0, 0),
      [2, 3, 1, 1],
      createLoraLayer(down, up, 4),
    );
    expect([...merged]).toEqual([3, 5, 7, -6, -6, -6]);
    expect(() => mergeLoraLayer(new Float32Array(8), [2, 4], createLoraLayer(down, up))).toThrow(
      /expected an update of/,
    );
  });

  it('gives the weight that PEFT merges', () => {
    const fixture = (name: string) => new URL(`../../test/fixtures/${name}`, import.meta.url).pathname;
    const { lora: read } = readAdapter(fixture('lora/peft'), model);
    const module = 'text_model.encoder.layers.0.self_attn.q_proj';
    const expected = readTensorFloat32(
      openSafetensors(fixture('lora/case.safetensors')),
      `merged.${module}.weight`,
    );
    const { weights: source } = model.textEncoder;
    const name = `${module}.weight`;
    const merged = mergeLoraLayer(
      source.readFloat32(name),
      source.info(name).shape,
      read!.textEncoder.get(module)!,
    );
    expect(largestDifference(merged, expected)).toBeLessThan(1e-6);
  });
});
