import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../src/diffusion/adapter_file.ts';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { hashModel } from '../src/evaluate/model_hash.ts';
import { sha256OfFile } from '../src/weights/file_digest.ts';
import { createLoraLayer } from '../src/weights/lora_file.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { runCli } from './run_cli.ts';
import { writeTinyModel } from './tiny_model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'export-command-'));
const at = (...names: string[]) => path.join(folder, ...names);
const TARGET = { gender: 'uniform' };

/** A run's folder with its adapter, and a report about the adapter as evaluate leaves it. */
beforeAll(async () => {
  writeTinyModel(at('model'));
  mkdirSync(at('run'));
  const model = openTextToImageModel(at('model'));
  const module = 'text_model.encoder.layers.0.self_attn.q_proj';
  const data = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
  const layer = createLoraLayer({ shape: [2, 32], data }, { shape: [32, 2], data }, 1);
  const lora = { textEncoder: new Map([[module, layer]]), unet: new Map(), metadata: {} };
  const header = { 'evenhand.iterations': '88', 'evenhand.target': JSON.stringify(TARGET) };
  writeAdapter(at('run', 'adapter.safetensors'), { lora, softTokens: null }, header, model);
  writeAdapter(
    at('run', 'best.safetensors'),
    { lora, softTokens: null },
    { 'evenhand.iterations': '40' },
    model,
  );
  writeFileSync(at('run', 'config.yaml'), `model: ${at('model')}\ntarget: { gender: uniform }\n`);
  const measured = (mean: number) => ({
    attribute: 'gender',
    images: 480,
    prompts: [{}, {}],
    bias: { mean, interval: { low: mean - 0.1, high: mean + 0.1 }, floor: 0.12 },
  });
  const report = {
    format: 'evenhand-report',
    version: 1,
    created: '2026-11-25T00:00:00.000Z',
    setup: {
      model: { name: 'model', hash: `sha256:${await hashModel(at('model'))}` },
      adapter: {
        name: 'adapter.safetensors',
        hash: `sha256:${await sha256OfFile(at('run', 'adapter.safetensors'))}`,
      },
      classifiers: [{ name: 'classifier_evaluation', hash: 'sha256:abc' }],
    },
    evaluations: [
      { label: 'original', attributes: [measured(0.65)] },
      { label: 'fine-tuned', attributes: [measured(0.2)] },
    ],
  };
  mkdirSync(at('measured'));
  writeFileSync(at('measured', 'report.json'), JSON.stringify(report));
  const foreign = { ...report, setup: { ...report.setup, adapter: { name: 'other', hash: 'sha256:0' } } };
  const weaker = {
    ...report,
    setup: { ...report.setup, adapter: { ...report.setup.adapter, scale: 0.5 } },
  };
  mkdirSync(at('weaker'));
  writeFileSync(at('weaker', 'report.json'), JSON.stringify(weaker));
  mkdirSync(at('foreign'));
  writeFileSync(at('foreign', 'report.json'), JSON.stringify(foreign));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]) {
  const result = await runCli(['export', ...args]);
  expect({ status: result.status, error: result.status === 0 ? '' : result.stderr }).toEqual({
    status: 0,
    error: '',
  });
  return result;
}

/** Pixels of one image with an adapter, or of a model. */
async function draw(output: string, ...args: string[]): Promise<string> {
  const common = [
    'generate',
    '-p',
    'a cat',
    '--seed',
    '3',
    '--steps',
    '2',
    '--device',
    'cpu',
    '-o',
    at(output),
  ];
  const { status, stderr } = await runCli([...common, ...args]);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const png = readFileSync(at(output, '00000-3.png'));
  return png.subarray(png.indexOf('IDAT')).toString('base64');
}

describe('evenhand export', () => {
  it('writes each format so that the images stay the same', async () => {
    const original = await draw('original', '--model', at('model'));
    const expected = await draw(
      'adapter',
      '--model',
      at('model'),
      '--adapter',
      at('run', 'adapter.safetensors'),
    );
    expect(expected).not.toBe(original);
    await run(at('run'), '-o', at('kohya.safetensors'));
    await run(at('run'), '--format', 'diffusers', '-o', at('diffusers'));
    await run(at('run', 'best.safetensors'), '--format', 'peft', '-o', at('peft'));
    for (const name of ['kohya.safetensors', 'diffusers', 'peft']) {
      expect(await draw(`with ${name}`, '--model', at('model'), '--adapter', at(name))).toBe(expected);
    }
    await run(at('run'), '--format', 'merged', '-o', at('merged'));
    expect(await draw('with merged', '--model', at('merged'))).toBe(expected);
    const peft = JSON.parse(readFileSync(at('peft', 'adapter_config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(peft).toMatchObject({ base_model_name_or_path: 'model', r: 2, lora_alpha: 1 });
  });

  it('puts target, measured bias with intervals, classifiers and base model into the header', async () => {
    const file = at('measured.safetensors');
    const { stdout } = await run(at('run'), '-o', file, '--evaluation', at('measured'), '--json');
    expect(stdout).toContain('measured fairness is in its header');
    const { metadata } = openSafetensors(file);
    expect(metadata).toMatchObject({
      'evenhand.iterations': '88',
      'evenhand.target': JSON.stringify(TARGET),
      'evenhand.model': 'model',
      'evenhand.model.sha256': await hashModel(at('model')),
      'evenhand.source.sha256': await sha256OfFile(at('run', 'adapter.safetensors')),
      'evenhand.classifiers': JSON.stringify([{ name: 'classifier_evaluation', hash: 'sha256:abc' }]),
      'evenhand.measured': '2026-11-25T00:00:00.000Z',
      ss_network_dim: '2',
      ss_network_alpha: '1',
    });
    const bias = JSON.parse(metadata['evenhand.bias']!) as { gender: { before: object; after: object } };
    expect(bias.gender.before).toEqual({
      bias: 0.65,
      lower: 0.55,
      upper: 0.75,
      floor: 0.12,
      images: 480,
      prompts: 2,
    });
    expect(bias.gender.after).toMatchObject({ bias: 0.2 });
    const unmeasured = openSafetensors(at('kohya.safetensors')).metadata;
    expect(unmeasured['evenhand.bias']).toBeUndefined();
    await run(at('run'), '--best', '-o', at('best.safetensors'));
    expect(openSafetensors(at('best.safetensors')).metadata['evenhand.iterations']).toBe('40');
  });

  it('writes soft tokens as an embedding under a name', async () => {
    const softTokens = { count: 2, width: 32, data: new Float32Array(64).fill(0.5) };
    writeAdapter(
      at('tokens.safetensors'),
      { lora: null, softTokens },
      { 'evenhand.target': '"gender=uniform"' },
    );
    await run(at('tokens.safetensors'), '-m', at('model'), '-o', at('fair.safetensors'), '--token', '<fair>');
    const { tensors, metadata } = openSafetensors(at('fair.safetensors'));
    expect([...tensors.keys()]).toEqual(['<fair>']);
    expect(metadata['evenhand.target']).toBe('"gender=uniform"');
    const images = ['tokens', 'fair'].map((name) =>
      draw(`with ${name}`, '--model', at('model'), '--adapter', at(`${name}.safetensors`)),
    );
    const [first, second] = [await images[0], await images[1]];
    expect(second).toBe(first);
  });

  it.each([
    [['run', '-o', 'x.ckpt'], /expected a file ending in .safetensors for kohya/],
    [['run', '-f', 'peft', '-o', 'x.safetensors'], /expected a folder for peft/],
    [
      ['run', '-f', 'textual-inversion', '-o', 'x.safetensors'],
      /low-rank updates cannot be written as textual-inversion/,
    ],
    [['tokens.safetensors', '-f', 'kohya', '-o', 'x.safetensors'], /soft tokens cannot be written as kohya/],
    [['tokens.safetensors', '-f', 'merged', '-o', 'x'], /soft tokens stand in front of the prompt/],
    [['nowhere', '-o', 'x.safetensors'], /expected a file or a run folder, found none at .*nowhere/],
    [['model', '-o', 'x.safetensors'], /expected adapter.safetensors of a run, or an adapter of PEFT/],
    [['run', '-o', 'kohya.safetensors'], /is there already; --force replaces it/],
    [['run', '-f', 'merged', '-o', 'run'], /expected another place than the adapter's own/],
    [
      ['run', '-f', 'merged', '-o', 'measured', '--force'],
      /expected no such folder, or an empty one, or a model to replace/,
    ],
    [['run', '-o', 'x.safetensors', '--evaluation', 'foreign'], /about another file \(other\)/],
    [
      ['run', '-o', 'x.safetensors', '--evaluation', 'weaker'],
      /received one about adapter.safetensors at scale 0.5/,
    ],
    [['run', '-o', 'x.safetensors', '--evaluation', 'model'], /expected a folder with report.json/],
    [
      ['run', '-o', 'x.safetensors', '--model', 'nowhere'],
      /--model .*nowhere: expected portraits or a diffusers folder/,
    ],
    [['run', '-f', 'koyha', '-o', 'x'], /Allowed choices are kohya/],
  ])('refuses %j with exit status 2', async (args, message) => {
    const paths = args.map((arg, i) =>
      arg.startsWith('-') || ['-f'].includes(args[i - 1] ?? '') ? arg : at(arg),
    );
    const model = args[0] === 'run' ? [] : ['--model', at('model')];
    const { status, stderr } = await runCli(['export', ...paths, ...(args.includes('--model') ? [] : model)]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});
