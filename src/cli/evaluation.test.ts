import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../../test/run_cli.ts';
import { tinyLora } from '../../test/tiny_lora.ts';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { writeAdapter } from '../diffusion/adapter_file.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { writeCompanion } from '../faces/testing/companions.ts';
import { resolveEncoders } from './measuring.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'evaluation-'));
const at = (...names: string[]) => path.join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

writeTinyModel(at('model'));
for (const name of ['face_detector', 'clip', 'dino', 'classifier']) writeCompanion(at('model'), name);
renameSync(at('model', 'classifier'), at('model', 'classifier_evaluation'));
for (const [name, scale] of [
  ['a', 1],
  ['b', 3],
] as const) {
  writeAdapter(at(`${name}.safetensors`), {
    lora: null,
    softTokens: { count: 1, width: 32, data: gaussianNoise({ seed: 2 }, 32).map((value) => scale * value) },
  } as Parameters<typeof writeAdapter>[1]);
}
writeAdapter(at('updates.safetensors'), tinyLora());
mkdirSync(at('real'));
for (let i = 0; i < 4; i++) {
  const pixels = Uint8Array.from(gaussianNoise({ seed: i, stream: 'real' }, 192), (v) => 128 + 40 * v);
  await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toFile(at('real', `${i}.png`));
}

const SETTINGS = [
  ...['evaluate', '--device', 'cpu', '--threads', '1', '--json', '--model', at('model')],
  ...['-n', '3', '--steps', '2', '--guidance-scale', '2'],
  ...['--set', 'prompts.test=[a cat, {prompt: a dog, family: dogs}]', '--set', 'explicit.imagesPerPrompt=2'],
  ...['--set', 'explicit.prompts=[{prompt: a male cat, attributes: {gender: male}}]'],
];

/** Images that a run drew, by task: the last that it told of, less those before its first. */
function drawn(events: readonly Readonly<Record<string, unknown>>[]): Record<string, number> {
  const last: Record<string, number> = {};
  for (const event of events) {
    if (event.event === 'progress' && event.task !== 'compare') last[String(event.task)] = Number(event.step);
  }
  return last;
}

describe('evenhand evaluate', () => {
  it('compares a model with and without an adapter, and goes on from what it finds in its folder', async () => {
    const args = (adapter: string) => [
      ...SETTINGS,
      ...['--adapter', at(`${adapter}.safetensors`), '--real-images', at('real'), '-o', at('report')],
    ];
    const result = await runCli(args('a'));
    expect(result.stderr).toBe('');
    expect(result.status).toBe(0);
    expect(drawn(result.events())).toEqual({
      'real images': 4,
      'measure original': 6,
      'explicit prompts, original': 2,
      'measure fine-tuned': 6,
      'explicit prompts, fine-tuned': 2,
    });
    const names = [
      'counts.csv',
      'images.csv',
      'judged',
      'prompts.csv',
      'report.html',
      'report.json',
      'summary.csv',
    ];
    expect(readdirSync(at('report')).sort()).toEqual(names);
    const json = (text: string) =>
      JSON.parse(text) as {
        setup: { files: { role: string; sha256: string }[]; more: Record<string, string> };
        notes: string[];
      };
    const report = json(readFileSync(at('report', 'report.json'), 'utf8'));
    const { files, more } = report.setup;
    expect(more.Encoders).toBe('clip, dino');
    expect([...new Set(files.map(({ role }) => role))]).toEqual([
      ...['model', 'adapter', 'detector', 'classifier', 'clip', 'dino'],
    ]);
    expect(files.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
    // CLIP of this model has no text half, and the report says so.
    expect(JSON.stringify(report.notes)).toMatch(/CLIP-T/);
    const rows = readFileSync(at('report', 'images.csv'), 'utf8').trimEnd().split('\r\n');
    expect(rows).toHaveLength(1 + 2 * (6 + 2));
    expect(rows[0]).toMatch(/,clip_i,dino$/);

    const again = await runCli(args('a'));
    expect(drawn(again.events())).toEqual({ 'real images': 4 });
    const without = (text: string) => ({ ...json(text), created: null });
    expect(without(readFileSync(at('report', 'report.json'), 'utf8'))).toEqual({ ...report, created: null });

    const other = await runCli(args('b'));
    expect(drawn(other.events())).toEqual({
      'real images': 4,
      'measure fine-tuned': 6,
      'explicit prompts, fine-tuned': 2,
    });
    const fresh = await runCli([...SETTINGS, '-o', at('report'), '--fresh']);
    expect(Object.keys(drawn(fresh.events()))).toEqual(['measure model', 'explicit prompts, model']);
    expect(readdirSync(at('report', 'judged'))).toHaveLength(1);
    const contextOf = () =>
      JSON.parse(readFileSync(at('report', 'report.json'), 'utf8')).setup.more['Text context'];
    expect(contextOf()).toBe('padded');
    const masked = await runCli([...SETTINGS, '-o', at('report'), '--text-context', 'masked']);
    expect(Object.keys(drawn(masked.events()))).toEqual(['measure model', 'explicit prompts, model']);
    expect(readdirSync(at('report', 'judged'))).toHaveLength(2);
    expect(contextOf()).toBe('masked');
  });

  it('measures groups of prompts each against its own target, and refuses one that cannot be before it draws', async () => {
    const target = (shares: string) => [
      ...['--set', `target=[{for: [a cat], gender: 60/40}, {for: [a dog], age: ${shares}}]`],
      ...['--set', 'explicit.prompts=none', '-o', at('groups')],
    ];
    const wrong = await runCli([...SETTINGS, ...target('75/26')]);
    expect(wrong.stderr).toMatch(/target for a dog: .*sum of 1\.01/);
    expect(wrong.stdout).not.toMatch(/"event":"progress"/);
    const result = await runCli([...SETTINGS, ...target('75/25')]);
    expect(result.stderr).toBe('');
    const first = (folder: string) => {
      const { evaluations } = JSON.parse(readFileSync(at('groups', folder, 'report.json'), 'utf8'));
      const { attribute, target: shares, prompts } = evaluations[0].attributes[0];
      return { attribute, shares, prompts: prompts.map(({ prompt }: { prompt: string }) => prompt) };
    };
    expect(first('a-cat')).toEqual({ attribute: 'gender', shares: [0.6, 0.4], prompts: ['a cat'] });
    expect(first('a-dog')).toEqual({ attribute: 'age', shares: [0.75, 0.25], prompts: ['a dog'] });
  });

  it('measures an adapter as strongly as is asked for, and keeps what it judged of each strength apart', async () => {
    const at2 = async (...more: string[]) => {
      const adapter = ['--adapter', at('updates.safetensors'), '-o', at('scaled')];
      const { stderr, events } = await runCli([...SETTINGS, ...adapter, ...more]);
      expect(stderr).toBe('');
      const report = JSON.parse(readFileSync(at('scaled', 'report.json'), 'utf8'));
      const similarity = report.evaluations[1].quality[0].mean as number;
      return { drawn: drawn(events()), report, similarity };
    };
    const half = await at2('--adapter-scale', '0.5');
    expect(half.report.setup.adapter).toMatchObject({ name: 'updates.safetensors', scale: 0.5 });
    expect(half.report.title).toBe('model with and without updates.safetensors at scale 0.5');
    expect(readFileSync(at('scaled', 'report.html'), 'utf8')).toContain('<dt>Adapter scale</dt><dd>0.5</dd>');
    const full = await at2();
    expect(full.report.setup.adapter).not.toHaveProperty('scale');
    expect(full.drawn).toEqual({ 'measure fine-tuned': 6, 'explicit prompts, fine-tuned': 2 });
    expect(full.similarity).not.toBe(half.similarity);
    expect((await at2('--set', 'adapterScale=0.5')).drawn).toEqual({});
    expect((await at2('--adapter-scale', '0')).similarity).toBeCloseTo(1, 5);
  });

  it.each([
    [['--real-images', '/nowhere'], /nowhere/],
    [['--adapter-scale', '0.5'], /adapterScale: expected an adapter beside it, received 0.5 alone/],
    [
      ['--adapter', at('a.safetensors'), '--adapter-scale', '0.5'],
      /expected 1 for an adapter of soft tokens/,
    ],
    [['--set', 'adapterScale=9'], /adapterScale/],
    [
      ['--set', 'explicit.prompts=[{prompt: x, attributes: {gender: robot}}]'],
      /female or male, received robot/,
    ],
    [['--set', 'prompts.test=[{prompt: x, attributes: {gender: male}}]'], /without attributes to measure/],
    [['--set', 'features.clip=/nowhere'], /features.clip: expected a folder/],
    [['--adapter', '/nowhere.safetensors'], /nowhere.safetensors/],
    [['-n', '0'], /Expected an integer/],
  ])('refuses %j before it draws anything', async (more, message) => {
    const result = await runCli([...SETTINGS, '-o', at('none'), ...more]);
    expect(result.stderr).toMatch(message);
    expect(result.status).not.toBe(0);
    expect(result.stdout).not.toMatch(/"event":"progress"/);
  });
});

describe('the encoders of an evaluation', () => {
  const chosen = (choice: Parameters<typeof resolveEncoders>[1]) => resolveEncoders(at('model'), choice);

  it('are clip and dino beside the judges, folders that are named there, or others', () => {
    mkdirSync(at('model', 'clip_evaluation'));
    const [clip, dino] = [at('model', 'clip'), at('model', 'dino')];
    expect(chosen({})).toEqual({ clip, dino });
    expect(chosen({ clip: 'clip_evaluation' })).toEqual({ clip: at('model', 'clip_evaluation'), dino });
    expect(chosen({ clip: null, dino: at('real') })).toEqual({ clip: null, dino: at('real') });
    expect(() => chosen({ dino: 'dino_evaluation' })).toThrow(
      /^features\.dino: expected a folder, found none at dino_evaluation, nor at .*model\/dino_evaluation$/,
    );
    rmSync(at('model', 'clip_evaluation'), { recursive: true });
  });
});
