import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { PARTS } from '../src/portraits/reproduction/index.ts';
import { runCli } from './run_cli.ts';
import { writeTinyJudgedModel } from './tiny_judged_model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'reproduce-'));
const at = (...names: string[]) => path.join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));
writeTinyJudgedModel(at('model'));

const run = (parts: readonly string[]) =>
  runCli([
    ...['reproduce', ...parts, '--device', 'cpu', '--threads', '1', '--json', '--scale', 'small'],
    ...['--model', at('model'), '--output', at('results'), '--work', at('work')],
  ]);
const results = () => JSON.parse(readFileSync(at('results', 'results.json'), 'utf8'));
const notes = (found: Awaited<ReturnType<typeof run>>) =>
  found.events().flatMap(({ event, text }) => (event === 'note' ? [String(text)] : []));

describe('evenhand reproduce', () => {
  it('makes every part on a tiny model, tells the cost first, and writes numbers, figures and page', async () => {
    const first = await run(['figure-7']);
    expect(first.stderr).toBe('');
    expect(Object.keys(results().parts)).toEqual(['figure-7']);
    const rest = await run([]);
    expect(rest.stderr).toBe('');
    expect(rest.status).toBe(0);
    const said = notes(rest);
    expect(said).toContain('done already: figure-7');
    expect(said.some((note) => /^1\/8 figure-6b; about .* left in all$/.test(note))).toBe(true);
    const { parts, format, scale } = results();
    expect({ format, scale }).toEqual({ format: 'evenhand-reproduction', scale: 'small' });
    expect(Object.keys(parts)).toEqual(PARTS.map(({ name }) => name));
    for (const [name, part] of Object.entries<(typeof parts)[string]>(parts)) {
      expect(part.figures.length, name).toBeGreaterThan(0);
      const rows = part.numbers.map(
        ({ row, measure }: { row: string; measure: string }) => `${row}: ${measure}`,
      );
      expect(new Set(rows).size, `${name}: a number is there twice`).toBe(rows.length);
      for (const { files } of part.figures) {
        for (const file of files) expect(statSync(at('results', file)).size, file).toBeGreaterThan(500);
        expect((await sharp(at('results', files.at(-1))).metadata()).width, name).toBeGreaterThan(200);
      }
    }
    // The adapters of the tables' and figure 9's runs lie beside the numbers.
    const adapters = Object.values<{ adapters?: { file: string; sha256: string }[] }>(parts).flatMap(
      (part) => part.adapters ?? [],
    );
    expect(adapters.map(({ file }) => path.basename(file, '.safetensors'))).toEqual([
      ...['prompt', 'text-encoder', 'unet', 'text-encoder+unet'].map((part) => `table-1-${part}`),
      ...['many-concepts', 'gender-race', 'gender-race-age'],
    ]);
    for (const { file, sha256 } of adapters) {
      const bytes = readFileSync(at('results', file));
      expect(createHash('sha256').update(bytes).digest('hex'), file).toBe(sha256);
    }
    const page = readFileSync(at('results', 'index.md'), 'utf8');
    expect(page).toContain('*0.67 ± 0.29*');
    expect(page).toContain('![');
    const rows = readFileSync(at('results', 'results.csv'), 'utf8').trimEnd().split('\r\n');
    const measured = Object.values<{ numbers: unknown[] }>(parts).flatMap(({ numbers }) => numbers);
    expect(measured.length).toBeGreaterThan(60);
    expect(rows).toHaveLength(1 + measured.length);
  });

  it('has the published numbers beside those measured, which lie in their ranges', () => {
    const { numbers } = results().parts['table-1'];
    const original = numbers.find(
      ({ row, measure }: { row: string; measure: string }) => row === 'original' && measure === 'gender bias',
    );
    expect(original.published).toEqual({ value: 0.67, deviation: 0.29 });
    const rows = new Set(numbers.map(({ row }: { row: string }) => row));
    expect([...rows]).toEqual([
      'original',
      'prompt prefix',
      'text encoder',
      'U-Net',
      'text encoder and U-Net',
    ]);
    for (const { measure, value } of results().parts['table-2'].numbers) {
      if (value === null) continue;
      expect(value, measure).toBeGreaterThanOrEqual(-1);
      expect(value, measure).toBeLessThanOrEqual(1);
    }
  });

  it('finds in figure 6b that the adjusted gradient differs from the uncoupled one by the coefficients alone', () => {
    const { numbers } = results().parts['figure-6b'];
    const norms = (row: RegExp) =>
      numbers
        .filter(
          (each: { row: string; measure: string }) => each.measure === 'gradient norm' && row.test(each.row),
        )
        .map(({ value }: { value: number }) => value);
    const [adjusted, uncoupled] = [norms(/^adjusted/), norms(/^uncoupled/)];
    expect(adjusted.length).toBe(uncoupled.length);
    for (const value of [...adjusted, ...uncoupled]) expect(value).toBeGreaterThan(0);
    const ratios = adjusted.map((value: number, i: number) => value / uncoupled[i]);
    // Their geometric mean is 1.
    const mean = ratios.reduce((sum: number, ratio: number) => sum + Math.log(ratio), 0) / ratios.length;
    expect(mean).toBeCloseTo(0, 3);
  });

  it('draws nothing again, and refuses a part that is not there', async () => {
    const again = await run([]);
    expect(again.status).toBe(0);
    expect(again.events().some(({ event }) => event === 'progress')).toBe(false);
    const wrong = await run(['table-3']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/received table-3; did you mean table-1\?|did you mean table-2\?/);
  });
});
