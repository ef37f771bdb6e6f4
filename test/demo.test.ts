import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from './run_cli.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'demo-'));
const at = (...names: string[]) => path.join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

const CPU = ['--device', 'cpu', '--json'];

describe('the whole method on Portraits, in small', () => {
  it('measures, fine-tunes, measures again and leaves report, grid, adapter and summary', async () => {
    const small = ['optimizer.iterations=2', 'prompts.imagesPerPrompt=4', 'sampler.steps=[4, 4]'];
    const settings = small.flatMap((setting) => ['--set', setting]);
    const result = await runCli([
      ...['demo', ...CPU, '--prompts', '1', '--images', '8', '--output', at('demo')],
      ...settings,
    ]);
    expect(result.stderr).toBe('');
    expect(result.status).toBe(0);
    const summary = JSON.parse(readFileSync(at('demo', 'summary.json'), 'utf8'));
    expect(summary).toMatchObject({ iterations: 2, seconds: expect.any(Number) });
    for (const side of ['before', 'after']) {
      const { bias, lower, upper, floor, images, prompts } = summary[side].gender;
      expect({ images, prompts }).toEqual({ images: 8, prompts: 1 });
      for (const value of [bias, lower, upper, floor]) expect(value).toBeGreaterThanOrEqual(0);
      expect(upper).toBeLessThanOrEqual(1);
      expect(lower).toBeLessThanOrEqual(upper);
    }
    const page = readFileSync(at('demo', 'report.html'), 'utf8');
    for (const part of ['original', 'fine-tuned', 'gender', 'race', 'age', 'data:image/png']) {
      expect(page).toContain(part);
    }
    expect((await sharp(at('demo', 'grid.png')).metadata()).width).toBeGreaterThan(8 * 64);
    const log = readFileSync(at('demo', 'finetune', 'log.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(log.map((line) => JSON.parse(line).iteration)).toEqual([1, 2]);
    // Low-rank updates of the U-Net's attention layers, at rank 50.
    expect(statSync(at('demo', 'adapter.safetensors')).size).toBeGreaterThan(50_000);
  });

  it('refuses to go on with a stopped one of another configuration, before measuring anything', async () => {
    cpSync(at('demo', 'finetune'), at('stopped', 'finetune'), { recursive: true });
    const result = await runCli(['demo', ...CPU, '--set', 'seed=2', '--output', at('stopped')]);
    expect(result.stderr).toMatch(/expected checkpoints of configuration .*; choose another output folder/);
    expect(result.status).toBe(2);
    expect(result.stdout).not.toContain('measure original');
  });

  it('draws with the adapter, and evaluates with and without it', async () => {
    const adapter = at('demo', 'adapter.safetensors');
    const prompt = ['-p', 'a photo of the face of a doctor, a person', '--seed', '3', '--steps', '4'];
    const outputs = [[], ['--adapter', adapter]];
    const images: Buffer[] = [];
    for (const [i, extra] of outputs.entries()) {
      const output = at(`drawn-${i}`);
      expect((await runCli(['generate', ...CPU, ...prompt, '-o', output, ...extra])).status).toBe(0);
      images.push(await sharp(path.join(output, '00000-3.png')).raw().toBuffer());
    }
    expect(Buffer.compare(images[0]!, images[1]!)).not.toBe(0);

    const small = ['prompts.count=1', 'prompts.imagesPerPrompt=4', 'sampler.steps=4'];
    const settings = small.flatMap((setting) => ['--set', setting]);
    const result = await runCli([
      ...['evaluate', ...CPU, '--adapter', adapter, '--output', at('report'), ...settings],
    ]);
    expect(result.stderr).toBe('');
    const outcome = result.events().at(-1) as Record<string, Record<string, { images: number }>>;
    for (const label of ['original', 'fine-tuned']) {
      expect(Object.keys(outcome[label]!)).toEqual(['gender', 'race', 'age']);
      expect(outcome[label]!.gender!.images).toBe(4);
    }
    const rows = (name: string) =>
      readFileSync(at('report', name), 'utf8').trimEnd().split('\r\n').length - 1;
    // A row a class; a row an image and a row a prompt, the 14 prompts that name attributes included.
    expect(rows('counts.csv')).toBe(2 * (2 + 4 + 2));
    expect(rows('images.csv')).toBe(2 * 15 * 4);
    expect(rows('prompts.csv')).toBe(2 * 15);
    const { similarity } = outcome as unknown as { similarity: Record<string, Record<string, number>> };
    expect(Object.keys(similarity['fine-tuned']!)).toEqual(['CLIP-T', 'CLIP-I', 'DINO']);
    // What became of CLIP-T is told apart by whether the person's group stayed; every pair of faces is of one kind.
    const byPerson = result.events().flatMap(({ text }) => {
      const found = /^CLIP-T changed by .* in (\d+) images that show (the same|another) group/.exec(
        String(text),
      );
      return found === null ? [] : [Number(found[1])];
    });
    const { qualityByPerson } = JSON.parse(readFileSync(at('report', 'report.json'), 'utf8'));
    const pairs = qualityByPerson.filter(({ name }: { name: string }) => name === 'CLIP-T');
    expect(byPerson).toEqual(pairs.map(({ images }: { images: number }) => images));
    expect(byPerson.reduce((sum, images) => sum + images, 0)).toBe(4);
  });

  it('aligns one prompt: tokens, shares before and after, and nothing to do where the target is met', async () => {
    const prompt = 'a photo of the face of a doctor, a person';
    const small = ['prompts.imagesPerPrompt=4', 'sampler.steps=[4, 4]'].flatMap((each) => ['--set', each]);
    const batch = ['--images', '6', '--steps', '4', '--iterations', '2', '--every', '1'];
    const run = (output: string, ...more: string[]) =>
      runCli(['align', prompt, ...CPU, ...batch, ...small, '-o', at(output), ...more]);
    const result = await run('align', '--tolerance', '0', '--target', 'gender=33/67');
    expect(result.stderr).toBe('');
    // Two looks at the batch, and one opened model: its cost is told once.
    const notes = result.events().flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
    expect(notes.filter((text) => /^after \d iterations:/.test(text))).toHaveLength(2);
    expect(notes.filter((text) => text.startsWith('an iteration:'))).toHaveLength(1);
    expect((await sharp(at('align', 'grid.png')).metadata()).width).toBeGreaterThan(6 * 64);
    const summary = JSON.parse(readFileSync(at('align', 'summary.json'), 'utf8'));
    expect(summary.adapter).toBe(at('align', 'adapter.safetensors'));
    expect(summary).toMatchObject({ prompt, reached: false, iterations: 2, before: { attribute: 'gender' } });
    for (const { shares } of [summary.before, summary.after]) {
      expect(Object.keys(shares)).toEqual(['female', 'male']);
      expect(shares.female + shares.male).toBeCloseTo(1, 9);
    }
    const drawn = ['-p', prompt, '--steps', '4', '--adapter', summary.adapter, '-o', at('aligned')];
    expect((await runCli(['generate', ...CPU, ...drawn])).status).toBe(0);

    const easy = await run('easy', '--tolerance', '1');
    expect(easy.events().at(-1)).toMatchObject({ reached: true, iterations: 0, adapter: null });
  });

  it('refuses a target that the classifier does not know, before drawing', async () => {
    const result = await runCli(['evaluate', ...CPU, '--set', 'target=hat=uniform', '-o', at('none')]);
    expect(result.stderr).toMatch(/expected attributes of the classifier \(gender, race, age\)/);
    expect(result.status).not.toBe(0);
  });
});
