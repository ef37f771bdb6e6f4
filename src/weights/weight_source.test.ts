import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openDiffusersDirectory } from './diffusers_directory.ts';
import { type TensorToWrite, writeSafetensors } from './safetensors_writer.ts';
import { openModelWeights, openShardedWeights } from './weight_files.ts';
import { openWeights, weightsFromMemory, withPrefix, withRenaming } from './weight_source.ts';
import { assertHolds, trackUse } from './weight_tracking.ts';

const root = mkdtempSync(join(tmpdir(), 'evenhand-weights-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
function newFolder(): string {
  const path = join(root, `case-${folders++}`);
  mkdirSync(path);
  return path;
}

function writeTensors(path: string, values: Record<string, number[]>, dtype: 'F32' | 'F16' = 'F32'): string {
  const tensors = Object.entries(values).map(([name, data]): [string, TensorToWrite] => [
    name,
    { dtype, shape: [data.length], data: Float32Array.from(data) },
  ]);
  writeSafetensors(path, new Map(tensors));
  return path;
}

const memory = () =>
  weightsFromMemory({
    'text_model.a.weight': { shape: [2], data: Float32Array.of(1, 2) },
    'text_model.b.weight': { shape: [1, 1], data: Float32Array.of(3) },
    'other.weight': { shape: [], data: Float32Array.of(4) },
  });

describe('weight sources', () => {
  it('look names up over several files and say where the bytes are', () => {
    const folder = newFolder();
    const first = writeTensors(join(folder, 'a.safetensors'), { x: [1, 2] });
    const second = writeTensors(join(folder, 'b.safetensors'), { y: [0.5] }, 'F16');
    const source = openWeights([first, second]);
    expect(source.names()).toEqual(['x', 'y']);
    expect(source.has('x') && !source.has('z')).toBe(true);
    expect(source.info('y')).toMatchObject({ dtype: 'F16', shape: [1], file: second, length: 2 });
    expect(source.readFloat32('y')).toEqual(Float32Array.of(0.5));
    expect([...source.readBytes('y')]).toEqual([0x00, 0x38]);
    expect(() => source.info('z')).toThrow('has no tensor "z"');
    expect(() => openWeights([first, first])).toThrow('tensor "x" is in both');
  });

  it('from memory know their shapes and have no file', () => {
    expect(memory().info('text_model.b.weight')).toEqual({
      dtype: 'F32',
      shape: [1, 1],
      file: null,
      offset: 0,
      length: 4,
    });
    expect(() => weightsFromMemory({ x: { shape: [3], data: Float32Array.of(1) } })).toThrow(
      'takes 3 elements, received 1',
    );
  });

  it('narrow by prefix and rename', () => {
    const narrowed = withPrefix(memory(), 'text_model.');
    expect(narrowed.names()).toEqual(['a.weight', 'b.weight']);
    expect(narrowed.readFloat32('b.weight')).toEqual(Float32Array.of(3));
    expect(() => narrowed.info('other.weight')).toThrow('has no tensor');
    expect(() => withRenaming(memory(), () => 'same')).toThrow('are both named same');
  });

  it('name similar tensors when one is missing', () => {
    expect(() => memory().info('model.a.weight')).toThrow('similar names: text_model.a.weight');
  });
});

describe('tracking', () => {
  it('records use through prefixes and lists what is left over', () => {
    const tracked = trackUse(memory());
    withPrefix(tracked, 'text_model.').info('a.weight');
    tracked.readFloat32('other.weight');
    expect(tracked.unused()).toEqual(['text_model.b.weight']);
    expect(() => tracked.assertAllUsed()).toThrow(
      '1 tensors belong to no part of the model: text_model.b.weight',
    );
    expect(() => tracked.assertAllUsed([/b\.weight$/])).not.toThrow();
    expect(() => tracked.info('absent')).toThrow();
    tracked.readBytes('text_model.b.weight');
    expect(() => tracked.assertAllUsed()).not.toThrow();
  });

  it('compares with the complete list of a model, naming every fault at once', () => {
    const expected = new Map([
      ['text_model.a.weight', [2]],
      ['text_model.b.weight', [1]],
      ['absent', [1]],
    ]);
    const check = () => assertHolds(memory(), expected);
    expect(check).toThrow('1 missing: absent');
    expect(check).toThrow('1 not part of the model: other.weight');
    expect(check).toThrow('text_model.b.weight (expected [1], received [1, 1])');
    expected.delete('absent');
    expected.set('text_model.b.weight', [1, 1]);
    expect(() => assertHolds(memory(), expected, [/^other/])).not.toThrow();
  });
});

describe('sharded weights', () => {
  const sharded = (weightMap: unknown) => {
    const folder = newFolder();
    writeTensors(join(folder, 'model-00001-of-00002.safetensors'), { x: [1], unlisted: [9] });
    writeTensors(join(folder, 'model-00002-of-00002.safetensors'), { y: [2] });
    const path = join(folder, 'model.safetensors.index.json');
    writeFileSync(path, JSON.stringify({ metadata: { total_size: 8 }, weight_map: weightMap }));
    return path;
  };

  it('are read through their index', () => {
    const path = sharded({ y: 'model-00002-of-00002.safetensors', x: 'model-00001-of-00002.safetensors' });
    const source = openShardedWeights(path);
    expect(source.names()).toEqual(['y', 'x']);
    expect(source.readFloat32('y')).toEqual(Float32Array.of(2));
    expect(openModelWeights(join(path, '..')).names()).toEqual(['y', 'x']);
  });

  it.each([
    ['a path out of the folder', { x: '../secret.safetensors' }, 'beside the index'],
    ['an absolute path', { x: '/etc/model.safetensors' }, 'beside the index'],
    ['a missing shard', { x: 'model-00003-of-00003.safetensors' }, 'model-00003-of-00003.safetensors'],
    ['a tensor that its shard lacks', { y: 'model-00001-of-00002.safetensors' }, '"y" should be in'],
    ['no map', null, 'weight_map: expected an object'],
  ])('refuse %s', (_, weightMap, message) => {
    expect(() => openShardedWeights(sharded(weightMap))).toThrow(message);
  });
});

describe('weight files of a component', () => {
  const present = (...names: string[]) => {
    const folder = newFolder();
    for (const name of names) {
      if (name.endsWith('.safetensors')) writeTensors(join(folder, name), { [name]: [1] });
      else writeFileSync(join(folder, name), 'x');
    }
    return folder;
  };
  it.each([
    [['model.safetensors', 'model.fp16.safetensors'], undefined, 'model.safetensors'],
    [['model.safetensors', 'model.fp16.safetensors'], 'fp16', 'model.fp16.safetensors'],
    [['diffusion_pytorch_model.fp16.safetensors'], undefined, 'diffusion_pytorch_model.fp16.safetensors'],
    [
      ['diffusion_pytorch_model.safetensors', 'diffusion_pytorch_model.bin'],
      undefined,
      'diffusion_pytorch_model.safetensors',
    ],
    [['model.non_ema.safetensors'], 'non_ema', 'model.non_ema.safetensors'],
  ])('among %s, variant %s: %s', (names, variant, chosen) => {
    expect(openModelWeights(present(...names), variant).names()).toEqual([chosen]);
  });

  it.each([
    [['diffusion_pytorch_model.bin'], undefined, 'convert the model to safetensors'],
    [['model.safetensors'], 'fp16', 'the folder has model.safetensors instead'],
    [['config.json'], undefined, 'expected one of the weight files diffusion_pytorch_model.safetensors'],
  ])('among %s, variant %s: an error', (names, variant, message) => {
    expect(() => openModelWeights(present(...names), variant)).toThrow(message);
  });
});

describe('diffusers directories', () => {
  const directory = (index: unknown) => {
    const path = newFolder();
    writeFileSync(join(path, 'model_index.json'), JSON.stringify(index));
    mkdirSync(join(path, 'unet'));
    mkdirSync(join(path, 'scheduler'));
    writeFileSync(join(path, 'unet', 'config.json'), JSON.stringify({ in_channels: 4 }));
    writeFileSync(join(path, 'scheduler', 'scheduler_config.json'), JSON.stringify({ beta_start: 0.00085 }));
    writeTensors(join(path, 'unet', 'diffusion_pytorch_model.safetensors'), { x: [1] });
    return path;
  };
  const INDEX = {
    _class_name: 'StableDiffusionPipeline',
    _diffusers_version: '0.40.0',
    requires_safety_checker: false,
    safety_checker: [null, null],
    scheduler: ['diffusers', 'PNDMScheduler'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  };

  it('give components, configs and weights', () => {
    const model = openDiffusersDirectory(directory(INDEX));
    expect(model.pipelineClass).toBe('StableDiffusionPipeline');
    expect([...model.components.keys()]).toEqual(['scheduler', 'unet', 'vae']);
    expect(model.components.get('unet')).toEqual({ library: 'diffusers', className: 'UNet2DConditionModel' });
    expect(model.settings).toEqual({ requires_safety_checker: false });
    const unet = model.openModel('unet');
    expect(unet.config).toEqual({ in_channels: 4 });
    expect(unet.weights.readFloat32('x')).toEqual(Float32Array.of(1));
    expect(model.schedulerConfig()).toEqual({ beta_start: 0.00085 });
  });

  it('say what is missing', () => {
    const path = directory(INDEX);
    const model = openDiffusersDirectory(path);
    expect(() => model.openModel('vae')).toThrow('the folder of the component vae is missing');
    expect(() => model.openModel('text_encoder')).toThrow(
      'has no component text_encoder, only scheduler, unet, vae',
    );
    expect(() => model.openModel('safety_checker')).toThrow('has no component safety_checker');
    rmSync(join(path, 'unet', 'config.json'));
    expect(() => model.openModel('unet')).toThrow(join('unet', 'config.json'));
    expect(() => openDiffusersDirectory(root)).toThrow(
      'expected a diffusers model directory with model_index.json',
    );
    expect(() => openDiffusersDirectory(directory({ unet: ['diffusers', 'X'] }))).toThrow('_class_name');
    expect(() => openDiffusersDirectory(directory({ ...INDEX, '../x': ['a', 'B'] }))).toThrow(
      '"../x" is not a component',
    );
    expect(() => openDiffusersDirectory(directory([]))).toThrow('expected a JSON object');
  });
});
