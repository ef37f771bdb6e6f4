import { describe, expect, it } from 'vitest';
import { createGenerator, gaussianNoise } from '../diffusion/noise.ts';
import { uniformTarget } from '../fairness/index.ts';
import type { Evaluation } from './evaluate.ts';
import type { EvaluationReportInput } from './evaluation_report.ts';
import { evaluationReport } from './evaluation_report.ts';
import { kernelDistance, pairedKernelDistance } from './kernel_distance.ts';
import { NO_FACE } from './metrics.ts';
import { pairsByPerson } from './person_change.ts';
import { imagesCsv, promptsCsv, reportHtml, reportJson, summaryCsv } from './report.ts';
import { shortSpread } from './report_quality_tables.ts';
import { cosines } from './similarity.ts';

const GENDER = { name: 'gender', classes: ['female', 'male'] };
const AGE = { name: 'age', classes: ['young', 'old'] };
const PROMPTS = ['a nurse', 'a pilot', 'a runner', '=a "cyclist", happy'];
const FAMILIES = ['work', 'work', 'sport', 'sport'];
const IMAGES = 6;
const DIMENSIONS = { clip: 3, dino: 2 };

/** Images with random classes: a share of men, every fifth without a face, every seventh with two. */
function evaluationOf(prompts: readonly string[], men: number, seed: number, kept = 1): Evaluation {
  const random = createGenerator({ seed, stream: 'report' });
  return {
    attributes: [GENDER, AGE],
    images: prompts.length * IMAGES,
    kept: prompts.slice(0, kept).map((prompt, p) => ({
      prompt,
      seed: 100 * p,
      image: { width: 8, height: 8, pixels: new Uint8Array(192).fill(40 * seed) },
      attributes: { gender: { name: 'male', probability: 0.9 }, age: null },
    })),
    prompts: prompts.map((prompt, p) => {
      const faces = Int32Array.from({ length: IMAGES }, (_, i) => (i === 4 ? 0 : i === 5 ? 2 : 1));
      const draw = (share: number) =>
        Int32Array.from(faces, (count) => (count === 0 ? NO_FACE : random.uniform() < share ? 1 : 0));
      const sure = (value: number) => Float32Array.from(faces, (count) => (count === 0 ? Number.NaN : value));
      const features = Object.fromEntries(
        Object.entries(DIMENSIONS).map(([name, dimension]) => [
          name,
          gaussianNoise({ seed, index: p, stream: name }, IMAGES * dimension).map((v) => v + 1),
        ]),
      );
      return {
        prompt,
        seeds: Array.from({ length: IMAGES }, (_, i) => 100 * p + i),
        faces,
        classes: { gender: draw(men), age: draw(0.3) },
        confidences: { gender: sure(men < 0.8 ? 0.75 : 0.875), age: sure(0.75) },
        features,
      };
    }),
  };
}

const EXPLICIT = [{ prompt: 'a male nurse', attributes: { gender: 'male' } }];
const texts = new Map(PROMPTS.map((prompt, i) => [prompt, Float32Array.of(1, i, 0.5)]));
const before = evaluationOf(PROMPTS, 0.9, 1);
const after = evaluationOf(PROMPTS, 0.5, 2);
const realFeatures = {
  clip: gaussianNoise({ seed: 9 }, 5 * 3),
  dino: gaussianNoise({ seed: 9, stream: 'dino' }, 5 * 2),
};
const input: EvaluationReportInput = {
  title: 'Before and after',
  created: '2026-11-25T10:00:00Z',
  setup: {
    model: { name: 'tiny' },
    seeds: '0 to 23',
    sampler: 'DDIM',
    steps: 2,
    guidanceScale: 3,
    classifiers: [],
    files: [{ role: 'model', file: 'unet/model.safetensors', bytes: 12, sha256: 'abc123' }],
  },
  notes: [],
  models: [
    { label: 'original', evaluation: before, explicit: evaluationOf(['a male nurse'], 0.9, 3, 0) },
    { label: 'fine-tuned', evaluation: after, explicit: evaluationOf(['a male nurse'], 0.8, 4, 0) },
  ],
  targets: [uniformTarget([GENDER]), uniformTarget([AGE])],
  families: FAMILIES,
  explicitPrompts: EXPLICIT,
  dimensions: DIMENSIONS,
  texts,
  real: { name: 'photos', features: realFeatures },
};

const joined = (evaluation: Evaluation, name: string) =>
  Float32Array.from(evaluation.prompts.flatMap(({ features }) => Array.from(features[name]!)));
const mean = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

/** A page without the base64 of its images, in which any letters can stand. */
const withoutImages = (html: string) => html.replaceAll(/data:image[^"]*/g, '');

describe('the report of two models', () => {
  const report = evaluationReport(input);

  it('measures CLIP-T of both, and CLIP-I and DINO between images from the same noise', async () => {
    const { evaluations, qualityChanges } = await report;
    const [first, last] = evaluations.map(({ quality }) =>
      Object.fromEntries(quality!.map((measure) => [measure.name, measure])),
    );
    expect(Object.keys(first!)).toEqual(['CLIP-T']);
    expect(Object.keys(last!)).toEqual(['CLIP-T', 'CLIP-I', 'DINO']);
    const clipT = before.prompts.map(({ prompt, features }) =>
      mean(cosines(features.clip!, texts.get(prompt)!, 3)),
    );
    expect(first!['CLIP-T']!.mean).toBeCloseTo(mean(clipT), 12);
    const dino = mean(cosines(joined(after, 'dino'), joined(before, 'dino'), 2));
    expect(last!.DINO).toMatchObject({ count: 4, images: 24, better: 'higher' });
    expect(last!.DINO!.mean).toBeCloseTo(dino, 12);
    expect(last!.DINO!.interval!.low).toBeLessThan(dino);
    expect(qualityChanges!.map(({ name }) => name)).toEqual(['CLIP-T']);
    expect(qualityChanges![0]!.estimate).toBeCloseTo(last!['CLIP-T']!.mean - first!['CLIP-T']!.mean, 12);
  });

  it('tells pairs that still show the same group from the others, over all prompts and by family', async () => {
    const { qualityByPerson, families, qualityChanges } = await report;
    const names = qualityByPerson!.map(({ name, person }) => `${name} ${person}`);
    expect(names).toEqual(
      ['same', 'other'].flatMap((kind) => ['CLIP-T', 'CLIP-I', 'DINO'].map((name) => `${name} ${kind}`)),
    );
    const pairs = pairsByPerson(before, after);
    const [same, , , other] = qualityByPerson!;
    expect(same!.images).toBe(pairs.same.flat().length);
    expect(other!.images).toBe(pairs.other.flat().length);
    // Each prompt lacks one face, the same in both: five pairs of six are of either kind.
    expect(same!.images + other!.images).toBe(4 * 5);
    expect(same!.change!.estimate).not.toBeCloseTo(qualityChanges![0]!.estimate, 6);
    const sums = families!.map(({ qualityByPerson: found }) => found![0]!.images);
    expect(sums.reduce((sum, images) => sum + images, 0)).toBe(same!.images);
    const html = withoutImages(reportHtml(await report));
    expect(html).toContain('of the same group');
    expect(html).toContain('of another group');
    expect(JSON.parse(reportJson(await report)).qualityByPerson).toHaveLength(6);
  });

  it('measures KID between the models in pairs, and of each to the real images', async () => {
    const { distances } = await report;
    expect(distances!.map(({ features, from, to }) => [features, from, to])).toEqual([
      ['clip', 'fine-tuned', 'original'],
      ['clip', 'original', 'photos'],
      ['clip', 'fine-tuned', 'photos'],
      ['dino', 'fine-tuned', 'original'],
      ['dino', 'original', 'photos'],
      ['dino', 'fine-tuned', 'photos'],
    ]);
    const groups = [6, 6, 6, 6];
    const paired = pairedKernelDistance(joined(after, 'clip'), joined(before, 'clip'), 3, { groups });
    expect(distances![0]).toMatchObject(paired);
    const real = kernelDistance(joined(before, 'dino'), realFeatures.dino, 2, { groups });
    expect(distances![4]).toMatchObject(real);
  });

  it('measures each family like the whole', async () => {
    const { families, evaluations } = await report;
    expect(families!.map(({ family }) => family)).toEqual(['work', 'sport']);
    const bias = (prompts: readonly { bias: { mean: number } }[]) => prompts.map((each) => each.bias.mean);
    const parts = families!.map((family) => bias(family.evaluations.map(({ attributes }) => attributes[0]!)));
    const whole = bias(evaluations.map(({ attributes }) => attributes[0]!));
    whole.forEach((value, i) => {
      expect((parts[0]![i]! + parts[1]![i]!) / 2).toBeCloseTo(value, 12);
    });
    expect(families![1]!.changes!.map(({ attribute, prompts }) => [attribute, prompts])).toEqual([
      ['gender', 2],
      ['age', 2],
    ]);
    const summary = summaryCsv(await report)
      .trimEnd()
      .split('\r\n');
    expect(summary.slice(1).map((row) => row.split(',').slice(0, 3).join(' '))).toEqual(
      ['all', 'work', 'sport'].flatMap((family) =>
        ['original', 'fine-tuned'].flatMap((label) =>
          ['gender', 'age'].map((attribute) => `${label} ${family} ${attribute}`),
        ),
      ),
    );
    const single = await evaluationReport({ ...input, families: PROMPTS.map(() => 'one') });
    expect(single.families).toBeUndefined();
  });

  it('counts faces, obedience and drift', async () => {
    const { evaluations, obedienceChange, changes, faceChanges } = await report;
    expect(evaluations[0]!.faces!.noFace).toMatchObject({ count: 4, images: 24 });
    expect(evaluations[0]!.faces!.severalFaces).toMatchObject({ count: 4, images: 24 });
    expect(faceChanges!.noFace!.estimate).toBe(0);
    const [obeyed, later] = evaluations.map(({ obedience }) => obedience!.all);
    expect(obeyed!.images).toBe(5);
    expect(obedienceChange!.all!.estimate).toBeCloseTo(later!.rate - obeyed!.rate, 12);
    expect(changes!.map(({ attribute, trained }) => [attribute, trained])).toEqual([
      ['gender', true],
      ['age', false],
    ]);
    expect(changes![1]!.shift!.pValue).toBeGreaterThan(0);
  });

  it('tells of how many faces the classifier is uncertain, which a low bias does not show', async () => {
    const { evaluations, uncertainChanges } = await report;
    const counts = evaluations.map(({ uncertain }) => [uncertain!.gender!.count, uncertain!.age!.count]);
    expect(counts).toEqual([
      [0, 20],
      [20, 20],
    ]);
    expect(uncertainChanges!.gender!.estimate).toBe(1);
    expect(uncertainChanges!.age!.estimate).toBe(0);
    const summary = summaryCsv(await report)
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','));
    expect(summary[0]!.at(-1)).toBe('uncertain_rate');
    const rates = summary
      .slice(1)
      .filter(([, family, attribute]) => family === 'all' && attribute === 'gender');
    expect(rates.map((row) => row.at(-1))).toEqual(['0', '1']);
    const html = reportHtml(await report);
    const table = html.slice(html.indexOf('Faces whose likeliest class has a probability below 0.8'));
    const rows = table
      .slice(0, table.indexOf('</table>'))
      .split('<tr>')
      .slice(2)
      .map((row) => row.replaceAll(/<[^>]*>/g, ' ').trim());
    expect(rows.map((row) => row.split(/\s+/).slice(0, 2))).toEqual([
      ['gender', 'original'],
      ['gender', 'fine-tuned'],
      ['age', 'original'],
      ['age', 'fine-tuned'],
    ]);
    expect(rows[0]).toMatch(/0 of 20$/);
    expect(rows[1]).toMatch(/20 of 20 +\+?1\.0+ /);
    const single = reportHtml(await evaluationReport({ ...input, models: input.models.slice(0, 1) }));
    expect(single).toContain('Faces whose likeliest class');
  });

  it('has a row for every image and for every prompt', async () => {
    const data = await report;
    const images = imagesCsv(data).trimEnd().split('\r\n');
    expect(images).toHaveLength(1 + 2 * (24 + 6));
    expect(images[0]).toBe(
      'evaluation,family,prompt,seed,faces,gender,gender_probability,age,age_probability,clip_t,clip_i,dino',
    );
    const first = images[1]!.split(',');
    const shown = before.prompts[0]!.classes.gender![0]!;
    expect(first.slice(0, 7)).toEqual([
      'original',
      'work',
      'a nurse',
      '0',
      '1',
      GENDER.classes[shown],
      '0.875',
    ]);
    expect(Number(first[9])).toBeCloseTo(
      cosines(before.prompts[0]!.features.clip!, texts.get('a nurse')!, 3)[0]!,
      12,
    );
    expect(images[5]!.split(',').slice(4, 9)).toEqual(['0', '', '', '', '']);
    const prompts = promptsCsv(data).trimEnd().split('\r\n');
    expect(prompts).toHaveLength(1 + 2 * (4 + 1));
    const head = prompts[0]!.split(',');
    const cells = prompts[1]!.split(',');
    const cell = (name: string) => cells[head.indexOf(name)];
    const result = data.evaluations[0]!.attributes[0]!.prompts[0]!;
    expect([cell('family'), cell('faces'), cell('several_faces')]).toEqual(['work', '5', '1']);
    expect(Number(cell('gender_bias'))).toBe(result.bias);
    expect(Number(cell('gender_male'))).toBe(result.frequencies[1]);
    expect(prompts.filter((row) => row.includes('explicit,a male nurse'))).toHaveLength(2);
    expect(prompts.every((row) => row.includes('"') || row.split(',').length === head.length)).toBe(true);
  });

  it('shows everything on a page for light and dark, and holds every number as JSON', async () => {
    const data = await report;
    const html = reportHtml(data);
    for (const text of [
      'prefers-color-scheme: dark',
      'abc123',
      'Drift',
      'not trained',
      'several faces',
      'CLIP-I',
      'photos',
      'a male nurse',
      'gender: bias by family of prompts',
      shortSpread(data.families![0]!.evaluations[0]!.attributes[0]!.bias),
    ]) {
      expect(html).toContain(text);
    }
    expect(/NaN|undefined|Infinity|<script/.exec(withoutImages(html))).toBeNull();
    expect(/(src|srcset|href)="(?!data:)/.exec(html)).toBeNull();
    const numbers = JSON.parse(reportJson(data)) as typeof data;
    expect(numbers.distances).toEqual(JSON.parse(JSON.stringify(data.distances)));
    expect(numbers.families).toHaveLength(2);
    expect(numbers.setup.files).toEqual(input.setup.files);
    expect(numbers.images![0]!.tiles).toHaveLength(2);
    expect(numbers).not.toHaveProperty('rows');
  });

  it('compares evaluations from different noise too, as independent ones', async () => {
    const apart = (evaluation: Evaluation): Evaluation => ({
      ...evaluation,
      prompts: evaluation.prompts.map((prompt) => ({
        ...prompt,
        seeds: prompt.seeds.map((seed) => seed + 5000),
      })),
    });
    const [one, other] = input.models;
    const models = [one!, { ...other!, evaluation: apart(after) }];
    const data = await evaluationReport({ ...input, models });
    const paired = await report;
    expect(data.changes!.map(({ bias }) => bias.estimate)).toEqual(
      paired.changes!.map(({ bias }) => expect.closeTo(bias.estimate, 12)),
    );
    expect(data.changes![1]).toMatchObject({ trained: false });
    expect(data.changes![1]!.shift).toBeUndefined();
    expect(data.evaluations[1]!.quality!.map(({ name }) => name)).toEqual(['CLIP-T']);
    expect(data.qualityChanges).toEqual([]);
    expect(data.qualityByPerson).toBeUndefined();
    const [groups, clip] = [[6, 6, 6, 6], kernelDistance];
    expect(data.distances![0]).toMatchObject(
      clip(joined(after, 'clip'), joined(before, 'clip'), 3, { groups }),
    );
  });

  it('tells of its progress, and stops on a signal', async () => {
    const steps: string[] = [];
    const controller = new AbortController();
    const onProgress = (step: number, all: number) => {
      steps.push(`${step}/${all}`);
      if (step === 3) controller.abort(new Error('enough'));
    };
    const stopped = evaluationReport({ ...input, onProgress, signal: controller.signal });
    await expect(stopped).rejects.toThrow('enough');
    expect(steps).toEqual(['1/8', '2/8', '3/8']);
  });

  it('is the same whenever it is made from the same judgements', async () => {
    expect(reportJson(await evaluationReport(input))).toBe(reportJson(await report));
  });
});

describe('the report of one model', () => {
  it('has no changes, and measures what it can', async () => {
    const { families: _, real: __, texts: ___, ...rest } = input;
    const data = await evaluationReport({ ...rest, models: [{ label: 'model', evaluation: before }] });
    expect(data.changes).toBeUndefined();
    expect(data.distances).toBeUndefined();
    expect(data.evaluations[0]!.quality).toEqual([]);
    expect(data.images).toHaveLength(1);
    const html = reportHtml(data);
    expect(/Drift|Image distance|Prompts that name/.exec(withoutImages(html))).toBeNull();
    await expect(evaluationReport({ ...rest, models: [] })).rejects.toThrow(/one model or two, received 0/);
  });

  it('stands where no face was found', async () => {
    const nobody = (evaluation: Evaluation): Evaluation => ({
      ...evaluation,
      prompts: evaluation.prompts.map((prompt) => ({
        ...prompt,
        faces: new Int32Array(IMAGES),
        classes: { gender: new Int32Array(IMAGES).fill(NO_FACE), age: new Int32Array(IMAGES).fill(NO_FACE) },
      })),
    });
    const models = input.models.map(({ label, evaluation }) => ({ label, evaluation: nobody(evaluation) }));
    const data = await evaluationReport({ ...input, models });
    expect(data.changes).toEqual([]);
    expect(/NaN|undefined/.exec(withoutImages(reportHtml(data)))).toBeNull();
  });
});
