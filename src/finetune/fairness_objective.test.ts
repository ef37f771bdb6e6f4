import { describe, expect, it } from 'vitest';
import type { Face, ImageBatch } from '../faces/index.ts';
import { selectFace } from '../faces/index.ts';
import type { EvaluatedLoss, ImageLoss, ImageLossInput, Observation } from '../fairness/index.ts';
import { createTarget } from '../fairness/index.ts';
import { fairnessObjective } from './fairness_objective.ts';

const GENDER = { name: 'gender', classes: ['male', 'female'] };
const AGE = { name: 'age', classes: ['young', 'middle', 'old'] };
const FACE: Face = { box: [1, 1, 3, 3], score: 1, landmarks: [] };

/** An observation of images whose classes are given: [gender, age], or null without a face. */
function observed(images: readonly (readonly [number, number] | null)[]): Observation {
  const attributes = [AGE, GENDER];
  const probabilities = attributes.map(({ classes }, axis) =>
    Float32Array.from(
      images.flatMap((image) =>
        classes.map((_, k) => (image === null ? Number.NaN : image[1 - axis] === k ? 0.6 : 0.2)),
      ),
    ),
  );
  const size = { height: 4, width: 4 };
  const selections = images.map((image) => selectFace(image === null ? [] : [FACE], size));
  return { selections, attributes, logits: probabilities, probabilities };
}

/** A loss that has seen `observation` and records what it was asked. */
function lossOf(observation: Observation) {
  const asked: (ImageLossInput | ImageBatch)[] = [];
  const gradient = Float32Array.of(1, 2, 3);
  const loss = {
    async evaluate(input: ImageLossInput) {
      asked.push(input);
      const parts = { align: 0.5, face: 0.25, image: 0.125 };
      return { total: 2, parts, gradient, observation } as unknown as EvaluatedLoss;
    },
    async observe(images: ImageBatch) {
      asked.push(images);
      return observation;
    },
  } as unknown as ImageLoss;
  return { loss, asked, gradient };
}

const request = {
  images: new Float32Array(4),
  originals: new Float32Array(4).fill(1),
  count: 4,
  height: 4,
  width: 4,
  prompt: 'a nurse',
  iteration: 17,
};

describe('the fairness objective', () => {
  const target = createTarget([GENDER, AGE], [0.2, 0.1, 0.2, 0.1, 0.1, 0.3]);

  it('hands batches, target and iteration to the loss and returns its total, parts and gradient', async () => {
    const { loss, asked, gradient } = lossOf(
      observed([
        [0, 0],
        [0, 1],
        [0, 2],
        [1, 2],
      ]),
    );
    const result = await fairnessObjective(loss, target).evaluate(request);
    expect(result.loss).toBe(2);
    expect(result.gradient).toBe(gradient);
    expect(result.metrics).toMatchObject({ align: 0.5, face: 0.25, image: 0.125 });
    const size = { count: 4, height: 4, width: 4 };
    expect(asked).toEqual([
      {
        images: { data: request.images, ...size },
        originals: { data: request.originals, ...size },
        target,
        iteration: 17,
      },
    ]);
  });

  it('measures faces, bias and distance to the marginals among images with a face', async () => {
    const { loss, asked } = lossOf(observed([[0, 0], [0, 2], null, [1, 2]]));
    const measured = await fairnessObjective(loss, target).measure(request);
    expect(asked).toEqual([{ data: request.images, count: 4, height: 4, width: 4 }]);
    expect(Object.keys(measured)).toEqual([
      'faces',
      'bias gender',
      'distance gender',
      'bias age',
      'distance age',
    ]);
    expect(measured.faces).toBe(0.75);
    // Shares 2/3, 1/3 against .5, .5; and 1/3, 0, 2/3 against .3, .2, .5.
    expect(measured['bias gender']).toBeCloseTo(1 / 3, 12);
    expect(measured['distance gender']).toBeCloseTo(1 / 6, 12);
    expect(measured['bias age']).toBeCloseTo((1 / 3 + 1 / 3 + 2 / 3) / 3, 12);
    expect(measured['distance age']).toBeCloseTo((1 / 30 + 0.2 + 1 / 6) / 2, 12);
  });

  it('has no bias where one class alone is wanted, but the distance to it', async () => {
    const { loss } = lossOf(
      observed([
        [0, 0],
        [0, 2],
        [0, 1],
        [1, 2],
      ]),
    );
    const measured = await fairnessObjective(loss, createTarget([GENDER], [1, 0])).measure(request);
    expect(measured).toEqual({ faces: 1, 'distance gender': 0.25 });
  });

  it('has no bias to tell where no image shows a face', async () => {
    const { loss } = lossOf(observed([null, null, null, null]));
    const measured = await fairnessObjective(loss, createTarget([GENDER], [0.5, 0.5])).measure(request);
    expect(measured).toEqual({ faces: 0, 'bias gender': Number.NaN, 'distance gender': Number.NaN });
  });

  it('counts the classes of parts together, for the whole target and for each attribute', async () => {
    const { loss } = lossOf(observed([[0, 0], null, [1, 2]]));
    const measuring = fairnessObjective(loss, target).measuring!();
    await measuring.add(request);
    await measuring.add(request);
    const { metrics, counts } = measuring.finish();
    expect(metrics.faces).toBeCloseTo(2 / 3, 12);
    expect(metrics['bias gender']).toBe(0);
    expect(counts).toEqual([
      { name: '', counts: [2, 0, 0, 0, 0, 2], shares: [0.2, 0.1, 0.2, 0.1, 0.1, 0.3] },
      { name: 'gender', counts: [2, 2], shares: [0.5, 0.5] },
      { name: 'age', counts: [2, 0, 2], shares: [expect.closeTo(0.3, 12), expect.closeTo(0.2, 12), 0.5] },
    ]);
  });
});
