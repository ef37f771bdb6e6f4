import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../src/cli/diagnosis.ts';
import { TRAININGS } from '../src/cli/trainings.ts';
import { writeAdapter } from '../src/diffusion/adapter_file.ts';
import { readPngMetadata } from '../src/diffusion/image_metadata.ts';
import { writeSafetensors } from '../src/weights/safetensors_writer.ts';
import { runCli } from './run_cli.ts';
import { tinyLora } from './tiny_lora.ts';
import { writeTinyModel } from './tiny_model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'cli-'));
const model = path.join(folder, 'model');
const at = (...names: string[]) => path.join(folder, ...names);
beforeAll(() => writeTinyModel(model));
afterAll(() => rmSync(folder, { recursive: true }));

/** Draws with the tiny model on the CPU; returns the files by name. */
async function draw(output: string, ...args: string[]): Promise<string[]> {
  const common = ['--model', model, '--device', 'cpu', '--steps', '3', '--json', '--output', at(output)];
  const result = await runCli(['generate', ...common, ...args]);
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return (result.events().at(-1)!.files as string[]).map((file) => path.basename(file));
}

function pixelsOf(output: string, name: string): Promise<Buffer> {
  return sharp(at(output, name)).raw().toBuffer();
}

describe('evenhand', () => {
  it('teaches with --help, for the program and each command', async () => {
    const { stdout, status } = await runCli(['--help']);
    expect(status).toBe(0);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(['generate', 'finetune', 'evaluate', 'train', 'doctor']));
    for (const name of commands.filter((name) => name !== 'help')) {
      const help = await runCli([name, '--help']);
      expect(help.status).toBe(0);
      expect(help.stdout).toMatch(new RegExp(`^Usage: evenhand ${name}`));
    }
  });

  it.each([
    [['generat'], /unknown command 'generat'(.|\n)*Did you mean generate/],
    [['generate'], /expected a prompt, received none/],
    [['generate', '--prompt', 'x', '--stpes', '3'], /unknown option '--stpes'(.|\n)*Did you mean --steps/],
    [['generate', '-p', 'x', '--steps', '0'], /Expected an integer in 1..1000/],
    [['generate', '-p', 'x', '--guidance-scale', 'much'], /Expected a number of at least 1/],
    [['finetune', 'gender', '--memory', '0'], /Expected a number of at least 1/],
    [
      ['generate', '-p', 'x', '--model', '/nowhere'],
      /--model \/nowhere: expected portraits or a diffusers folder/,
    ],
    [
      ['generate', '-p', 'x', '--model', folder],
      /--model .*: expected a diffusers folder .*, found a folder without/,
    ],
    [['generate', '--prompt-file', '/nowhere.txt'], /prompts: cannot read \/nowhere.txt/],
    [['generate', '--prompt-file', folder], new RegExp(`cannot read ${folder}: EISDIR`)],
    [
      ['finetune', 'gender', '--set', 'target.gender=60/50'],
      /the shares must sum to 1, received a sum of 1.1/,
    ],
    [['finetune', 'gender', '--set', 'target={ gendre: uniform }'], /did you mean gender/],
    [['finetune', 'gender', '--set', 'sampler.steps=[9, 3]'], /expected the smaller number first/],
    [['finetune', 'gender', '--set', 'train.part=prompt'], /unknown key rank; expected one of part, tokens/],
    [['finetune', 'gender', '--objective', '/nowhere.mjs'], /expected a .js, .mjs or .onnx file, found none/],
    [
      ['finetune', 'gender', '--set', 'prompts.imagesPerPrompt=1e8', '-o', path.join(folder, 'huge')],
      /peak memory about .* this machine has .*microBatch/,
    ],
    [['finetune', 'gender', '-o', '/proc/run'], /\/proc\/run: expected a folder that can be written to/],
    [['evaluate', '--target', 'gender=60/50'], /the shares must sum to 1/],
    [
      ['evaluate', '--adapter', '/nowhere.safetensors'],
      /adapter: expected a file or a run folder, found none/,
    ],
    [['evaluate', '--real-images', '/nowhere'], /nowhere/],
    [['align', 'a doctor', '--target', 'size=50/50'], /expected attributes of the classifier/],
    [
      ['align', 'a male doctor'],
      /expected one that leaves gender open, received 'a male doctor': what a prompt says itself is not overridden/,
    ],
    [['demo', '--set', 'target.gender=60/50', '-o', path.join(folder, 'demo')], /the shares must sum to 1/],
    [['faces', 'bank', folder, '-o', folder], /expected the name of a file to write, but a folder is there/],
    [['train', 'vea'], /Allowed choices are vae, clip/],
    [['train', 'vae', '--set', 'stepz=1'], /unknown key stepz; did you mean steps/],
    [['train', 'vae', '--set', 'steps=20'], /steps: expected at least warmupSteps \(50\), received 20/],
    [['train', 'unet', '--output', '/nowhere'], /expected a trained vae in \/nowhere.*evenhand train vae/],
    [['serve', '--database', 'mysql://host/name'], /Expected an address that begins with postgres:/],
    [['doctor', '--set', 'sead=1'], /did you mean seed/],
    [['finetune', '/nowhere.yaml'], /nowhere.yaml: cannot read/],
    [
      ['evaluate', '--set', 'prompts.test=occupation', '--print-config', '--set', 'sead=1'],
      /did you mean seed/,
    ],
  ])('refuses %j with exit status 2', async (args, message) => {
    const { status, stderr } = await runCli(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('prints whole configurations', async () => {
    const train = await runCli(['train', 'vae', '--print-config', '--set', 'steps=77']);
    expect(train.stdout).toMatch(/^model: vae$(.|\n)*^steps: 77$(.|\n)*^warmupSteps: \d+$/m);
    const evaluate = await runCli(['evaluate', '--print-config', '--adapter', 'a b.safetensors']);
    expect(evaluate.stdout).toMatch(/^adapter: a b.safetensors$/m);
    const { stdout } = await runCli(['finetune', 'gender', '--print-config', '--set', 'microBatch=4']);
    expect(stdout).toMatch(/^microBatch: 4$/m);
    expect(stdout).toMatch(/^# Left out, without a default:\n(#.*\n)*# {3}train.targets\n/m);
    expect(stdout).toMatch(/^# {3}stop: \{ distance \}$/m);
    expect(stdout).not.toMatch(/^#.*microBatch/m);
  });
});

describe('evenhand generate', () => {
  it('draws the same image of a seed whatever the batch, and says in each file how it was made', async () => {
    const together = await draw('together', '-p', 'a cat', '-n', '3', '--seed', '5');
    expect(together).toEqual(['00000-5.png', '00001-6.png', '00002-7.png']);
    await draw('alone', '-p', 'a cat', '--seed', '6', '--batch-size', '1');
    const [one, same, other] = await Promise.all([
      pixelsOf('alone', '00000-6.png'),
      pixelsOf('together', '00001-6.png'),
      pixelsOf('together', '00002-7.png'),
    ]);
    expect(Buffer.compare(one, same)).toBe(0);
    expect(Buffer.compare(one, other)).not.toBe(0);
    const { parameters, record } = readPngMetadata(readFileSync(at('together', '00001-6.png')));
    expect(parameters!.prompt).toBe('a cat');
    expect(parameters!.settings).toMatchObject({ Seed: '6', Steps: '3', Size: '16x16', Sampler: 'DPM++ 2M' });
    expect(record).toMatchObject({ prompt: 'a cat', seed: 6, steps: 3, model: { name: model } });
  });

  it('follows prompt, sampler, size and adapter, and never overwrites', async () => {
    const adapter = at('soft.safetensors');
    const softTokens = {
      count: 2,
      width: 32,
      data: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
    };
    writeAdapter(adapter, { lora: null, softTokens });
    const variants = [
      ['-p', 'a cat'],
      ['-p', 'a dog'],
      ['-p', 'a cat', '--scheduler', 'euler-ancestral'],
      ['-p', 'a cat', '--karras'],
      ['-p', 'a cat', '--guidance-scale', '1'],
      ['-p', 'a cat', '--negative-prompt', 'a dog'],
      ['-p', 'a cat', '--text-context', 'masked'],
      ['-p', 'a cat', '--adapter', adapter],
    ];
    const files: string[] = [];
    for (const args of variants) files.push(...(await draw('variants', '--seed', '9', ...args)));
    expect(files).toEqual(variants.map((_, i) => `0000${i}-9.png`));
    const images = await Promise.all(files.map((name) => pixelsOf('variants', name)));
    expect(new Set(images.map((image) => image.toString('base64'))).size).toBe(variants.length);
    const described = files.map((name) => readPngMetadata(readFileSync(at('variants', name))));
    expect(described.at(-2)!.record).toMatchObject({ textContext: 'masked' });
    expect(described[0]!.record).not.toHaveProperty('textContext');
    const { parameters } = described.at(-1)!;
    expect(parameters!.settings.Adapter).toBe('soft');
    const [wide] = await draw('wide', '-p', 'a cat', '--width', '32');
    expect(await sharp(at('wide', wide!)).metadata()).toMatchObject({ width: 32, height: 16 });
  });

  it('works from source in any folder', () => {
    const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
    const args = ['generate', '-p', 'x', '--model', model, '--device', 'cpu', '--steps', '2', '-o', 'images'];
    execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], { cwd: folder });
    expect(readdirSync(at('images')).filter((name) => name.endsWith('.png'))).toHaveLength(1);
  });

  it('reads prompts from a file', async () => {
    writeFileSync(at('prompts.txt'), 'a cat\n\n  a dog  \r\n');
    expect(await draw('listed', '--prompt-file', at('prompts.txt'), '--seed', '1')).toEqual([
      '00000-1.png',
      '00001-1.png',
    ]);
    expect(readPngMetadata(readFileSync(at('listed', '00001-1.png'))).parameters!.prompt).toBe('a dog');
  });

  it.each([
    [['--width', '17'], /--width: expected a multiple of 2 pixels, received 17/],
    [['--scheduler', 'ddim', '--karras'], /--karras: expected --scheduler euler or dpmsolver\+\+/],
    [['--width', '1000000', '--height', '1000000'], /expected at most 67108864 pixels together/],
    [['--adapter', '/nowhere.safetensors'], /expected a file or a run folder, found none at \/nowhere/],
    [['--adapter', model], /adapter: expected adapter.safetensors of a run, or an adapter of PEFT/],
    [
      ['-o', path.join(model, 'model_index.json')],
      /expected a folder, or a place for one, but a file is there/,
    ],
    [['-o', '/proc/images'], /\/proc\/images: expected a folder that can be written to/],
  ])('refuses %j before drawing', async (args, message) => {
    const { status, stderr } = await runCli([
      'generate',
      '-p',
      'x',
      '--model',
      model,
      '-o',
      at('refused'),
      ...args,
    ]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(readdirSync(folder)).not.toContain('refused');
  });
});

describe('evenhand generate --adapter', () => {
  const write = (name: string, data: Float32Array) =>
    writeAdapter(at(name), { lora: null, softTokens: { count: 1, width: data.length, data } });

  it('takes the folder of a run', async () => {
    mkdirSync(at('run'));
    write('run/adapter.safetensors', new Float32Array(32).fill(0.5));
    const [name] = await draw('of-run', '-p', 'a cat', '--seed', '1', '--adapter', at('run'));
    expect(readPngMetadata(readFileSync(at('of-run', name!))).parameters!.settings.Adapter).toBe('adapter');
  });

  it('counts it as strongly as is asked for, and says so in the file where it is not as trained', async () => {
    writeAdapter(at('updates.safetensors'), tinyLora());
    writeAdapter(at('weaker.safetensors'), tinyLora(0.5));
    const at7 = ['-p', 'a cat', '--seed', '7'];
    const scaled = async (output: string, adapter: string, ...scale: string[]) => {
      const [name] = await draw(output, ...at7, '--adapter', at(`${adapter}.safetensors`), ...scale);
      const { parameters, record } = readPngMetadata(readFileSync(at(output, name!)));
      const { adapter: described } = record as { adapter: { scale?: number } };
      return [await pixelsOf(output, name!), parameters!.settings['Adapter scale'], described.scale] as const;
    };
    const [plain] = await draw('unscaled', ...at7);
    const [zero, zeroSetting] = await scaled('at-0', 'updates', '--adapter-scale', '0');
    expect(zero).toEqual(await pixelsOf('unscaled', plain!));
    expect(zeroSetting).toBe('0');
    const [half, ...halfSaid] = await scaled('at-half', 'updates', '--adapter-scale', '.5');
    const [full, ...fullSaid] = await scaled('at-1', 'updates');
    expect(half).toEqual((await scaled('of-half', 'weaker'))[0]);
    expect(half).not.toEqual(full);
    expect(half).not.toEqual(zero);
    expect([halfSaid, fullSaid]).toEqual([
      ['0.5', 0.5],
      [undefined, undefined],
    ]);
  });

  it.each([
    [['--adapter-scale', '.5'], /--adapter-scale: expected --adapter beside it, received 0.5 alone/],
    [
      ['--adapter', 'tokens', '--adapter-scale', '.5'],
      /expected 1 for an adapter of soft tokens, received 0.5/,
    ],
    [['--adapter', 'tokens', '--adapter-scale', '5'], /Expected a number in -4..4/],
  ])('refuses %j', async (args, message) => {
    write('tokens.safetensors', new Float32Array(32).fill(0.5));
    const given = args.map((arg) => (arg === 'tokens' ? at('tokens.safetensors') : arg));
    const { status, stderr } = await runCli(['generate', '-p', 'x', '--model', model, ...given]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it.each([
    ['nan', new Float32Array(32).fill(Number.NaN), /expected finite numbers, received NaN at position 0/],
    ['other', new Float32Array(48).fill(1), /expected emb_params \[1..75, 32\], received \[1, 48\]/],
  ])('refuses %s values', async (name, data, message) => {
    write(`${name}.safetensors`, data);
    const args = ['generate', '-p', 'x', '--model', model, '--adapter', at(`${name}.safetensors`)];
    const { status, stderr } = await runCli(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('refuses files without tensors and files of other models', async () => {
    writeSafetensors(at('none.safetensors'), new Map());
    const far = 'lora_te_text_model_encoder_layers_30_self_attn_q_proj.lora_down.weight';
    const tensor = { dtype: 'F32', shape: [1, 2], data: new Float32Array(2) } as const;
    writeSafetensors(at('far.safetensors'), new Map([[far, tensor]]));
    const run = (name: string) => runCli(['generate', '-p', 'x', '--model', model, '--adapter', at(name)]);
    expect((await run('none.safetensors')).stderr).toMatch(/expected the tensors of an adapter, found none/);
    expect((await run('far.safetensors')).stderr).toMatch(/layers_30.*made for another model/);
  });

  it('says so where the numbers grow beyond all bounds', async () => {
    const args = ['--model', model, '--device', 'cpu', '--steps', '2', '-o', at('burst')];
    const { status, stderr } = await runCli(['generate', '-p', 'x', '--guidance-scale', '1e300', ...args]);
    expect(stderr).toMatch(/grew beyond all bounds.*guidance scale below 1e\+300/);
    expect(status).toBe(1);
    expect(readdirSync(at('burst'))).toEqual([]);
  });
});

describe('evenhand models', () => {
  it('counts the parameters of every component', async () => {
    const { events, status } = await runCli(['models', model, '--json']);
    expect(status).toBe(0);
    const [{ components }] = events() as unknown as [{ components: { name: string; parameters: number }[] }];
    const parameters = Object.fromEntries(components.map((each) => [each.name, each.parameters]));
    expect(parameters).toMatchObject({ scheduler: 0, tokenizer: 0 });
    // Token and position embeddings alone: (1000 + 77) x 32.
    expect(parameters.text_encoder).toBeGreaterThan(34_464);
    expect(parameters.unet).toBeGreaterThan(0);
    expect((await runCli(['models', model])).stdout).toMatch(
      /text_encoder +CLIPTextModel +0.\d+ M parameters/,
    );
    const shipped = (await runCli(['models'])).stdout;
    expect(shipped).toMatch(/beside them, .*: face_detector, face_embedder, face_embedder_evaluation, /);
  });
});

describe('evenhand doctor', () => {
  it('finds the processor, the shipped model with its companions, and every licence', async () => {
    const { events, status } = await runCli(['doctor', '--json']);
    const [{ works, sections }] = events() as unknown as [Diagnosis];
    const found = sections.flatMap(({ findings }) => findings);
    expect(found.filter(({ state }) => state === 'bad')).toEqual([]);
    expect({ works, status }).toEqual({ works: true, status: 0 });
    const lines = found.map(({ text }) => text).join('\n');
    expect(lines).toMatch(/^cpu: 1024x1024 matrix product in [\d.]+ ms$/m);
    expect(lines).toMatch(/^Portraits is whole: [\d.]+ M parameters, [\d.]+ MB$/m);
    expect(lines).toMatch(/^onnxruntime-node [\d.]+: MIT$/m);
  });
});

describe('evenhand train', () => {
  it.each(TRAININGS)('has a whole recipe for $name, after what it needs', async ({ name, needs }) => {
    const { stdout, status } = await runCli(['train', name, '--print-config']);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^model: ${name}$(.|\\n)*^learningRate: `, 'm'));
    const before = TRAININGS.slice(
      0,
      TRAININGS.findIndex((training) => training.name === name),
    );
    expect(before.map((training) => training.name)).toEqual(expect.arrayContaining([...needs]));
  });

  it('stops at Ctrl-C with a checkpoint and goes on to the same numbers', async () => {
    const sizes = ['down', 'up'].map((way) => {
      const type = way === 'down' ? 'DownEncoderBlock2D' : 'UpDecoderBlock2D';
      return `architecture.${way}_block_types=[${type}, ${type}, ${type}]`;
    });
    const settings = [
      ...['steps=6', 'batchSize=2', 'data.scenes=8', 'warmupSteps=1', 'checkpointEvery=100'],
      ...['architecture.block_out_channels=[8, 8, 8]', 'architecture.norm_num_groups=4', ...sizes],
    ].flatMap((setting) => ['--set', setting]);
    const command = (name: string) => [
      ...['train', 'vae', '--json', '--device', 'cpu', '--data', at('scenes'), ...settings],
      ...['--output', at(name, 'model'), '--run', at(name, 'run')],
    ];
    const stopped = await runCli(command('stopped'), (text) => {
      if (text.includes('"task":"vae","step":2,')) process.emit('SIGINT');
    });
    expect(stopped.status).toBe(130);
    expect(stopped.stderr).toMatch(/stopped after step \d/);
    expect(readdirSync(at('stopped', 'run')).some((name) => /^checkpoint-.*\.safetensors$/.test(name))).toBe(
      true,
    );
    for (const name of ['stopped', 'straight']) {
      const result = await runCli(command(name));
      expect(result.stderr).toBe('');
      expect(result.events().at(-1)).toMatchObject({ event: 'result', command: 'train', steps: 6 });
    }
    const weights = ['stopped', 'straight'].map((name) =>
      readFileSync(at(name, 'model', 'vae', 'diffusion_pytorch_model.safetensors')),
    );
    expect(Buffer.compare(weights[0]!, weights[1]!)).toBe(0);
  });
});
