import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createTarget, uniformTarget } from '../fairness/index.ts';
import { type ComparisonInput, comparisonReport } from './comparison_report.ts';
import type { Evaluation, JudgedImage } from './evaluate.ts';
import { NO_FACE } from './metrics.ts';
import { reportHtml, reportJson } from './report.ts';

const GENDER = { name: 'gender', classes: ['male', 'female'] };
const AGE = { name: 'age', classes: ['young', 'old'] };
const PROMPTS = ['a nurse', 'a "pilot" & co'];

/** An evaluation of two images a prompt whose classes are given, kept as plain coloured squares. */
function evaluationOf(gender: readonly number[], age: readonly number[], colour: number): Evaluation {
  const prompts = PROMPTS.map((prompt, p) => ({
    prompt,
    seeds: [100 + 2 * p, 101 + 2 * p],
    features: {},
    classes: {
      gender: Int32Array.from(gender.slice(2 * p, 2 * p + 2)),
      age: Int32Array.from(age.slice(2 * p, 2 * p + 2)),
    },
    confidences: { gender: Float32Array.of(0.9, 0.9), age: Float32Array.of(0.7, 0.7) },
    faces: Int32Array.from(gender.slice(2 * p, 2 * p + 2), (k) => (k === NO_FACE ? 0 : 1)),
  }));
  const kept = gender.map(
    (k, i): JudgedImage => ({
      prompt: PROMPTS[Math.floor(i / 2)]!,
      seed: 100 + i,
      image: { width: 8, height: 8, pixels: new Uint8Array(8 * 8 * 3).fill(colour) },
      attributes: {
        gender: k === NO_FACE ? null : { name: GENDER.classes[k]!, probability: 0.9 },
        age: null,
      },
    }),
  );
  return { attributes: [GENDER, AGE], prompts, kept, images: 4 };
}

const input: ComparisonInput = {
  title: 'Gender, evened',
  summary: 'Two prompts.',
  setup: {
    model: { name: 'tiny' },
    seeds: '100 to 103',
    sampler: 'DPM-Solver++ 2M',
    steps: 2,
    guidanceScale: 3,
    classifiers: [{ name: 'classifier' }],
  },
  before: evaluationOf([0, 0, 0, NO_FACE], [0, 1, 1, NO_FACE], 40),
  after: evaluationOf([0, 1, 1, 0], [0, 1, 1, 0], 200),
  targets: [uniformTarget([GENDER]), createTarget([AGE], [0.75, 0.25])],
  curve: [
    { iteration: 1, loss: 3, bias: 1, validation: null },
    { iteration: 2, loss: 2.5, bias: Number.NaN, validation: 0.75 },
    { iteration: 3, loss: 2, bias: 0.5, validation: null },
    { iteration: 4, loss: 1.5, bias: 0.25, validation: 0.5 },
  ],
  notes: ['A note.'],
  created: '2026-11-25T10:00:00Z',
};

/** A page without the base64 of its images, in which any letters can stand. */
const withoutImages = (html: string) => html.replaceAll(/data:image[^"]*/g, '');

describe('the report of a finetuning', () => {
  const report = comparisonReport(input);

  it('measures before, after and the change for every target', async () => {
    const { data, before, after } = await report;
    expect(before).toMatchObject({ attribute: 'gender', faces: 3, noFaceRate: 0.25 });
    expect([before.bias.mean, after.bias.mean]).toEqual([1, 0]);
    expect(data.evaluations.map(({ label }) => label)).toEqual(['original', 'fine-tuned']);
    expect(data.evaluations.map(({ attributes }) => attributes.map(({ attribute }) => attribute))).toEqual([
      ['gender', 'age'],
      ['gender', 'age'],
    ]);
    expect(data.evaluations[1]!.attributes[1]!.target).toEqual([0.75, 0.25]);
    expect(data.changes!.map(({ attribute, prompts }) => [attribute, prompts])).toEqual([
      ['gender', 2],
      ['age', 2],
    ]);
    expect(data.changes![0]!.bias.estimate).toBe(-1);
    expect(data.changes!.map(({ trained }) => trained)).toEqual([true, false]);
    expect(data.changes![1]!.shares!.map(({ estimate }) => estimate)).toEqual([0.25, -0.25]);
    expect(data.faceChanges!.noFace!.estimate).toBe(-0.25);
  });

  it('draws the training curve of the trained attribute', async () => {
    const [chart] = (await report).data.charts!;
    expect(chart!.kind).toBe('line');
    const series = chart!.kind === 'line' ? chart!.chart.series : [];
    expect(series.map(({ label }) => label)).toEqual([
      'loss',
      'gender bias, training prompts',
      'gender bias, validation',
    ]);
    expect(series[2]!.points).toEqual([
      { x: 2, y: 0.75 },
      { x: 4, y: 0.5 },
    ]);
    const without = await comparisonReport({ ...input, curve: [] });
    expect(without.data.charts).toEqual([]);
  });

  it('shows the images in pairs of rows', async () => {
    const [sheet] = (await report).data.images!;
    const { data, info } = await sharp(sheet!.png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    // Grey levels down the middle of the first column of tiles: before, after, before, after.
    const x = 16 + 48;
    const levels: number[] = [];
    let run = 0;
    for (let y = 0; y < info.height; y++) {
      const [r, g, b] = data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3);
      const isTile = r === g && g === b && (r === 40 || r === 200);
      run = isTile ? run + 1 : 0;
      if (run === 90) levels.push(r!);
    }
    expect(levels).toEqual([40, 200, 40, 200]);
    expect(sheet!.caption).toBe('Prompts from top to bottom: "a nurse", "a "pilot" & co".');
  });

  it('has no sheet where no images were kept', async () => {
    const bare = (evaluation: Evaluation) => ({ ...evaluation, kept: [] });
    const { data } = await comparisonReport({
      ...input,
      before: bare(input.before),
      after: bare(input.after),
    });
    expect(data.images).toEqual([]);
  });

  it('becomes a page and numbers', async () => {
    const { data } = await report;
    const html = reportHtml(data);
    for (const text of [
      'Gender, evened',
      'fine-tuned',
      'Training',
      'A note.',
      'a &quot;pilot&quot; &amp; co',
    ]) {
      expect(html).toContain(text);
    }
    expect(/NaN|undefined|Infinity/.exec(withoutImages(html))).toBeNull();
    const numbers = JSON.parse(reportJson(data)) as { changes: { attribute: string }[] };
    expect(numbers.changes.map(({ attribute }) => attribute)).toEqual(['gender', 'age']);
  });
});
