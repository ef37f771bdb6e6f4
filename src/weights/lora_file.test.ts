import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createLoraLayer,
  type LoraAdapter,
  type LoraPart,
  readLoraAdapter,
  writeLoraAdapter,
} from './lora_file.ts';
import { flattenModulePath, formatLoraKey, type LoraFormat, parseLoraKey } from './lora_names.ts';
import { openSafetensors, readTensorFloat32 } from './safetensors.ts';
import { type TensorToWrite, writeSafetensors } from './safetensors_writer.ts';

const FIXTURES = fileURLToPath(new URL('../../test/fixtures/lora/', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'evenhand-lora-'));
afterAll(() => rmSync(root, { recursive: true }));

interface Row {
  readonly part: 'text_encoder' | 'unet';
  readonly module: string;
  readonly [scheme: string]: string | readonly string[];
}
const { rows } = JSON.parse(readFileSync(join(FIXTURES, 'key_names.json'), 'utf8')) as { rows: Row[] };
const partOf = (row: Row): LoraPart => (row.part === 'unet' ? 'unet' : 'textEncoder');
const modulePaths = {
  textEncoder: rows.filter((row) => row.part === 'text_encoder').map((row) => row.module),
  unet: rows.filter((row) => row.part === 'unet').map((row) => row.module),
};

describe('key names', () => {
  it('the fixture has 40 layers', () => expect(rows.length).toBe(40));

  it.each([
    'peft_adapter_model',
    'diffusers_v0.19.3',
    'diffusers_v0.24.0',
    'diffusers_v0.40.0_training_scripts',
    'diffusers_v0.40.0_with_transformers_5',
    'diffusers_v0.40.0_peft_style',
    'kohya_sd_scripts',
    'diffusers_v0.40.0_convert_state_dict_to_kohya',
    'reference_repo_export',
  ])('%s is understood for every layer', (scheme) => {
    const isTextEncoderOnly = scheme.includes('transformers_5');
    const named = rows.filter((row) => scheme in row);
    expect(named.length).toBe(isTextEncoderOnly ? 8 : 40);
    const isKohya = scheme.includes('kohya');
    for (const row of named) {
      const module = isKohya ? flattenModulePath(row.module) : row.module;
      const parsed = (row[scheme] as string[]).map(parseLoraKey);
      const roles = isKohya ? ['down', 'up', 'alpha'] : ['down', 'up'];
      expect(parsed).toEqual(roles.map((role) => ({ part: partOf(row), module, flattened: isKohya, role })));
    }
  });

  it.each([
    ['kohya', 'kohya_sd_scripts'],
    ['diffusers', 'diffusers_v0.40.0_peft_style'],
    ['diffusers-old', 'diffusers_v0.19.3'],
    ['peft', 'peft_adapter_model'],
  ] as const)('%s is written as %s', (format, scheme) => {
    for (const row of rows) {
      const roles = format === 'kohya' ? (['down', 'up', 'alpha'] as const) : (['down', 'up'] as const);
      expect(roles.map((role) => formatLoraKey(format, partOf(row), row.module, role))).toEqual(row[scheme]);
    }
  });

  it.each([
    [
      'text_encoder.text_model.encoder.layers.3.self_attn.to_q_lora.up.weight',
      'text_model.encoder.layers.3.self_attn.q_proj',
    ],
    [
      'text_encoder.text_model.encoder.layers.3.self_attn.to_out_lora.up.weight',
      'text_model.encoder.layers.3.self_attn.out_proj',
    ],
    [
      'base_model.model.text_model.encoder.layers.3.mlp.fc1.lora_B.default.weight',
      'text_model.encoder.layers.3.mlp.fc1',
    ],
  ])('also understood: %s', (key, module) => {
    expect(parseLoraKey(key)).toEqual({ part: 'textEncoder', module, flattened: false, role: 'up' });
  });

  it.each([
    ['unet.mid_block.attentions.0.proj_in.dora_scale', 'DoRA is not supported'],
    ['lora_unet_mid_block_attentions_0_proj_in.hada_w1_a', 'LoHa is not supported'],
    ['lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha', 'SDXL'],
    ['unet.mid_block.attentions.0.proj_in.weight', 'not the name of a LoRA tensor'],
    ['transformer.blocks.0.attn.lora_A.weight', 'not the name of a LoRA tensor'],
    ['lora_unet_a.b.lora_down.weight', 'not the name of a LoRA tensor'],
  ])('refused: %s', (key, message) => {
    expect(() => parseLoraKey(key)).toThrow(message);
  });
});

/** alpha / rank * up and down of every layer: what an adapter does, whatever way its scale is stored. */
function effects(adapter: LoraAdapter) {
  return Object.fromEntries(
    Array.from(adapter.textEncoder, ([module, { down, up, rank, alpha }]) => [
      module,
      {
        down: [...down.data],
        up: [...up.data.map((value) => (value * alpha) / rank)],
        shapes: [down.shape, up.shape],
      },
    ]),
  );
}

describe('the same adapter in four formats', () => {
  const peft = readLoraAdapter(join(FIXTURES, 'peft'));

  it.each([
    ['kohya/adapter.safetensors', 8],
    ['diffusers-new/pytorch_lora_weights.safetensors', 8],
    ['diffusers-new', 8],
    ['diffusers-old/pytorch_lora_weights.safetensors', 4],
    ['peft/adapter_model.safetensors', 8],
  ])('%s reads to the same numbers', (file, alpha) => {
    const adapter = readLoraAdapter(join(FIXTURES, file), modulePaths);
    expect([...adapter.textEncoder.keys()].toSorted()).toEqual(modulePaths.textEncoder.toSorted());
    expect(adapter.unet.size).toBe(0);
    for (const layer of adapter.textEncoder.values()) expect([layer.rank, layer.alpha]).toEqual([4, alpha]);
    expect(effects(adapter)).toEqual(effects(peft));
  });

  it('merges into a weight as PEFT did', () => {
    const module = 'text_model.encoder.layers.0.self_attn.q_proj';
    const base = openSafetensors(join(FIXTURES, '../clip-text/quick_gelu/model.safetensors'));
    const merged = readTensorFloat32(
      openSafetensors(join(FIXTURES, 'case.safetensors')),
      `merged.${module}.weight`,
    );
    const weight = readTensorFloat32(base, `${module}.weight`);
    const { down, up, rank, alpha } = peft.textEncoder.get(module)!;
    const [outputs, inputs] = [up.shape[0], down.shape[1]];
    let largestError = 0;
    for (let row = 0; row < outputs; row++) {
      for (let column = 0; column < inputs; column++) {
        let update = 0;
        for (let r = 0; r < rank; r++) update += up.data[row * rank + r] * down.data[r * inputs + column];
        const value = weight[row * inputs + column] + (alpha / rank) * update;
        largestError = Math.max(largestError, Math.abs(value - merged[row * inputs + column]));
      }
    }
    expect(merged.length).toBe(outputs * inputs);
    expect(largestError).toBeLessThan(1e-6);
  });
});

/** An adapter of both parts, with a convolution and layers of different rank and alpha. */
function sampleAdapter(): LoraAdapter {
  const matrix = (shape: number[], start: number) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => (start + index) / 8),
  });
  return {
    textEncoder: new Map([
      ['text_model.encoder.layers.0.mlp.fc1', createLoraLayer(matrix([2, 3], 1), matrix([4, 2], -3), 2)],
      ['text_model.encoder.layers.1.mlp.fc1', createLoraLayer(matrix([2, 3], 2), matrix([4, 2], 5), 1)],
      ['text_model.encoder.layers.2.mlp.fc1', createLoraLayer(matrix([1, 3], 2), matrix([4, 1], 5), 2)],
    ]),
    unet: new Map([
      ['mid_block.attentions.0.proj_in', createLoraLayer(matrix([2, 3, 1, 1], 1), matrix([3, 2, 1, 1], 7))],
      [
        'mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0',
        createLoraLayer(matrix([2, 3], 1), matrix([3, 2], 7)),
      ],
    ]),
    metadata: { ss_base_model_version: 'sd_v1' },
  };
}
const pathsOf = (adapter: LoraAdapter) => ({
  textEncoder: adapter.textEncoder.keys(),
  unet: adapter.unet.keys(),
});

describe('writing', () => {
  it.each(['kohya', 'diffusers', 'peft'] as const)('%s reads back to the same adapter', (format) => {
    const adapter = sampleAdapter();
    const path = join(root, format === 'peft' ? 'two-parts' : `${format}.safetensors`);
    writeLoraAdapter(path, adapter, { format, metadata: { 'fair.attribute': 'gender' } });
    const back = readLoraAdapter(path, pathsOf(adapter));
    const sorted = (layers: LoraAdapter['unet']) => [...layers].toSorted(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(back.textEncoder)).toEqual(sorted(adapter.textEncoder));
    expect(sorted(back.unet)).toEqual(sorted(adapter.unet));
    expect(back.metadata).toMatchObject({ ss_base_model_version: 'sd_v1', 'fair.attribute': 'gender' });
  });

  it('diffusers-old multiplies the scale into the up matrices', () => {
    const adapter = { ...sampleAdapter(), unet: new Map() };
    const path = join(root, 'old.safetensors');
    writeLoraAdapter(path, adapter, { format: 'diffusers-old' });
    const back = readLoraAdapter(path);
    const half = back.textEncoder.get('text_model.encoder.layers.1.mlp.fc1')!;
    expect([half.rank, half.alpha]).toEqual([2, 2]);
    expect(effects(back)).toEqual(
      Object.fromEntries(Object.keys(effects(back)).map((module) => [module, effects(adapter)[module]])),
    );
    expect(() => writeLoraAdapter(path, sampleAdapter(), { format: 'diffusers-old' })).toThrow(
      'has no name for a LoRA of mid_block',
    );
  });

  it('a PEFT adapter of one part goes into the folder itself', () => {
    const path = join(root, 'one-part');
    writeLoraAdapter(
      path,
      { ...sampleAdapter(), textEncoder: new Map() },
      { format: 'peft', baseModel: 'org/model' },
    );
    const config = JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      lora_alpha: 2,
      base_model_name_or_path: 'org/model',
    });
    expect(readLoraAdapter(path).unet.size).toBe(2);
  });

  it.each(['kohya', 'diffusers', 'diffusers-old', 'peft'] as const)(
    'the fixture adapter goes through %s unchanged',
    (format) => {
      const fixture = readLoraAdapter(join(FIXTURES, 'kohya/adapter.safetensors'), modulePaths);
      const path = join(root, `fixture-${format}${format === 'peft' ? '' : '.safetensors'}`);
      writeLoraAdapter(path, fixture, { format });
      expect(effects(readLoraAdapter(path, modulePaths))).toEqual(effects(fixture));
    },
  );

  it('kohya files state rank, alpha and hash, and no longer those of another file', () => {
    const path = join(root, 'kohya-metadata.safetensors');
    const fixture = readLoraAdapter(join(FIXTURES, 'diffusers-new'), modulePaths);
    writeLoraAdapter(path, fixture, { format: 'kohya', dtype: 'F16' });
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({
      ss_network_module: 'networks.lora',
      ss_network_dim: '4',
      ss_network_alpha: '8',
      sshs_model_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const name = 'lora_te_text_model_encoder_layers_0_self_attn_q_proj';
    expect(file.tensors.get(`${name}.lora_down.weight`)?.dtype).toBe('F16');
    expect(file.tensors.get(`${name}.alpha`)).toMatchObject({ dtype: 'F32', shape: [] });
  });

  it('needs layers', () => {
    const empty = { textEncoder: new Map(), unet: new Map(), metadata: {} };
    expect(() => writeLoraAdapter(join(root, 'empty.safetensors'), empty, { format: 'kohya' })).toThrow(
      'no layers',
    );
  });
});

const DOWN: TensorToWrite = { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) };
const UP: TensorToWrite = { dtype: 'F32', shape: [4, 2], data: new Float32Array(8) };
const MODULE = 'text_model.encoder.layers.0.mlp.fc1';

describe('reading', () => {
  let cases = 0;
  const file = (tensors: Record<string, TensorToWrite>, metadata = {}) => {
    const path = join(root, `case-${cases++}.safetensors`);
    writeSafetensors(path, new Map(Object.entries(tensors)), metadata);
    return path;
  };
  const peft = (config: object) => {
    const path = join(root, `peft-${cases++}`);
    mkdirSync(path);
    const keys = [
      formatLoraKey('peft', 'textEncoder', MODULE, 'down'),
      formatLoraKey('peft', 'textEncoder', MODULE, 'up'),
    ];
    writeSafetensors(
      join(path, 'adapter_model.safetensors'),
      new Map([
        [keys[0], DOWN],
        [keys[1], UP],
      ]),
    );
    writeFileSync(join(path, 'adapter_config.json'), JSON.stringify(config));
    return path;
  };
  const named = (format: LoraFormat, alpha?: TensorToWrite) => ({
    [formatLoraKey(format, 'textEncoder', MODULE, 'down')]: DOWN,
    [formatLoraKey(format, 'textEncoder', MODULE, 'up')]: UP,
    ...(alpha && { [`lora_te_${flattenModulePath(MODULE)}.alpha`]: alpha }),
  });
  const models = { textEncoder: [MODULE], unet: [] };

  it.each([
    ['kohya without alpha', () => file(named('kohya')), 2],
    [
      'kohya with an integer alpha',
      () => file(named('kohya', { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) })),
      7,
    ],
    ['diffusers without metadata', () => file(named('diffusers')), 2],
    [
      'alpha by the last segment',
      () => peft({ r: 4, lora_alpha: 1, alpha_pattern: { fc1: 6 }, rank_pattern: { 'mlp.fc1': 2 } }),
      6,
    ],
    [
      'alpha by an anchored path',
      () => peft({ r: 2, lora_alpha: 1, alpha_pattern: { '^fc1': 6, [`^${MODULE}`]: 5 } }),
      5,
    ],
    ['rank-stabilised scale', () => peft({ r: 2, lora_alpha: 3, use_rslora: true }), 3 * Math.sqrt(2)],
  ])('alpha: %s', (_, path, alpha) => {
    expect(readLoraAdapter(path(), models).textEncoder.get(MODULE)?.alpha).toBe(alpha);
  });

  it.each([
    [
      'a lone matrix',
      () => file({ [formatLoraKey('kohya', 'textEncoder', MODULE, 'down')]: DOWN }),
      'but no up matrix',
    ],
    [
      'a lone alpha',
      () => file({ [formatLoraKey('kohya', 'textEncoder', MODULE, 'alpha')]: DOWN }),
      'but no down matrix',
    ],
    ['an alpha of many', () => file(named('kohya', DOWN)), 'expected one number, received 6'],
    [
      'a foreign tensor',
      () => file({ ...named('kohya'), stray: DOWN }),
      '"stray" is not the name of a LoRA tensor',
    ],
    ['a layer named twice', () => file({ ...named('kohya'), ...named('diffusers') }), 'name the same tensor'],
    [
      'ranks that differ',
      () => file({ ...named('kohya'), [formatLoraKey('kohya', 'textEncoder', MODULE, 'up')]: DOWN }),
      'down [2, 3] has rank 2, but up [2, 3] has rank 3',
    ],
    [
      'a layer that the model lacks',
      () => file({ 'unet.mid_block.x.lora_A.weight': DOWN }),
      'the unet has no module mid_block.x',
    ],
    [
      'a flat layer that the model lacks',
      () => file({ 'lora_unet_mid_block_x.alpha': DOWN }),
      'no module that flattens to mid_block_x',
    ],
    ['DoRA', () => peft({ r: 2, use_dora: true }), 'use_dora'],
    ['biases', () => peft({ r: 2, bias: 'all' }), 'bias: expected "none"'],
    ['another PEFT method', () => peft({ peft_type: 'IA3' }), 'peft_type: expected "LORA"'],
    [
      'a rank other than the stated',
      () => peft({ r: 16 }),
      'the config states rank 16, the tensors have rank 2',
    ],
    ['an alpha that is no number', () => peft({ r: 2, lora_alpha: '8' }), 'lora_alpha: expected a number'],
    ['a pattern with wildcards', () => peft({ r: 2, alpha_pattern: { '(a+)+$': 1 } }), 'regular expression'],
    [
      'damaged metadata',
      () => file(named('diffusers'), { lora_adapter_metadata: '{' }),
      'metadata lora_adapter_metadata',
    ],
    [
      'an empty folder',
      () => mkdtempSync(join(root, 'empty-')),
      'expected pytorch_lora_weights.safetensors or adapter_config.json',
    ],
  ])('refuses %s', (_, path, message) => {
    expect(() => readLoraAdapter(path(), models)).toThrow(message);
  });

  it('needs module paths for flattened names, and refuses ambiguous ones', () => {
    const path = file(named('kohya'));
    expect(() => readLoraAdapter(path)).toThrow('needs the list of module paths of the textEncoder');
    const ambiguous = { textEncoder: [MODULE, MODULE.replace('mlp.fc1', 'mlp_fc1')] };
    expect(() => readLoraAdapter(path, ambiguous)).toThrow('is ambiguous');
  });

  it('a PEFT file without its config is refused, because alpha is unknown', () => {
    const path = join(root, 'lonely.safetensors');
    copyFileSync(join(FIXTURES, 'peft/adapter_model.safetensors'), path);
    expect(() => readLoraAdapter(path)).toThrow('expected adapter_config.json');
  });
});
