/** Targets and weights of a batch: masks, faces, own faces, joints, and parts of a batch. */

import { describe, expect, test } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import type { AttributeHead } from '../faces/attributes.ts';
import type { Box, Face } from '../faces/box.ts';
import { selectFace } from '../faces/box.ts';
import { expectedTargets } from './expected_targets.ts';
import type { Observation } from './observation.ts';
import { joinObservations, largestClass } from './observation.ts';
import { softmaxRows } from './softmax.ts';
import type { LossWeights } from './target_assignment.ts';
import { assignTargets, sliceAssignment } from './target_assignment.ts';
import { createTarget, uniformTarget } from './target_distribution.ts';

const GENDER: AttributeHead = { name: 'gender', classes: ['female', 'male'] };
const RACE: AttributeHead = { name: 'race', classes: ['wmelh', 'asian', 'black', 'indian'] };
const ATTRIBUTES = [GENDER, RACE];

const OPTIONS: LossWeights = {
  threshold: 0.8,
  lambda1: 8,
  lambdaFace: 1,
  ratios: { gender: { ratio2: 0.2, ratio3: 0.2 }, race: { ratio2: 0.6, ratio3: 0.3 } },
};

const faceAt = (box: Box): Face => ({ box, score: 1, landmarks: [] });

/** An observation from logits [images][attribute][class]; null where an image shows no face. */
function observation(
  rows: readonly (readonly (readonly number[])[] | null)[],
  box: Box = [2, 2, 8, 8],
): Observation {
  const size = { height: 10, width: 10 };
  const logits = ATTRIBUTES.map(({ classes }, axis) =>
    Float32Array.from(rows.flatMap((row) => row?.[axis] ?? classes.map(() => Number.NaN))),
  );
  return {
    selections: rows.map((row) => selectFace(row === null ? [] : [faceAt(box)], size)),
    attributes: ATTRIBUTES,
    logits,
    probabilities: logits.map((values, axis) =>
      Float32Array.from(softmaxRows(values, ATTRIBUTES[axis]!.classes.length).probabilities),
    ),
  };
}

const RACES = [0, 0, 0, 0];
const person = (margin: number) => [[-margin, margin], RACES];

describe('targets', () => {
  test('go to images with a face only, by the ranks among them', () => {
    const rows = [person(-3), null, person(-2), person(1), person(2), null, person(3), person(4)];
    const observed = observation(rows);
    const assignment = assignTargets(observed, observed, uniformTarget([GENDER]), OPTIONS);
    expect(assignment).toMatchObject({
      faces: 6,
      count: 8,
      method: 'binomial',
      draw: { seed: 0, iteration: 0 },
    });
    const shown = rows.flatMap((row) => (row === null ? [] : [row[0]!]));
    const { attributes } = expectedTargets({
      logits: [Float32Array.from(shown.flat())],
      target: uniformTarget([GENDER]),
    });
    let next = 0;
    assignment.images.forEach(({ targets: { gender }, hasFace }, image) => {
      expect(hasFace).toBe(rows[image] !== null);
      if (rows[image] === null) {
        expect(gender).toEqual({ class: null, confidence: 0, confident: false, originalClass: null });
        return;
      }
      expect(gender!.class).toBe(attributes[0]!.classes[next]);
      expect(gender!.confidence).toBe(attributes[0]!.confidences[next]);
      expect(gender!.confident).toBe(gender!.confidence >= 0.8);
      next++;
    });
    expect(assignment.images.filter(({ targets }) => targets.gender!.confident).length).toBeGreaterThan(0);
    expect(assignment.images.filter(({ targets }) => !targets.gender!.confident).length).toBeGreaterThan(2);
  });

  test('are none where no image shows a face', () => {
    const none = observation([null, null]);
    const assignment = assignTargets(none, observation([person(1), null]), uniformTarget([GENDER]), OPTIONS);
    expect(assignment).toMatchObject({ faces: 0, count: 2, method: null, sets: 0 });
    expect(assignment.images.map(({ weights }) => weights)).toEqual(
      [0, 1].map(() => ({ outside: 8, face: 8, region: null })),
    );
  });

  test('of one image follow the larger share', () => {
    const target = createTarget([GENDER], [0.9, 0.1]);
    const observed = observation([person(3)]);
    const { targets } = assignTargets(observed, observed, target, OPTIONS).images[0]!;
    expect(targets.gender).toMatchObject({ class: 0, confident: true, originalClass: 1 });
    expect(targets.gender!.confidence).toBeCloseTo(0.9, 12);
  });

  test('of a joint come from its marginals, and drawn ones are the same for the same address', () => {
    const noise = gaussianNoise({ seed: 9 }, 20 * 6);
    const rows = Array.from({ length: 20 }, (_, i) => [
      [...noise.subarray(6 * i, 6 * i + 2)],
      [...noise.subarray(6 * i + 2, 6 * i + 6)],
    ]);
    const observed = observation(rows);
    const target = uniformTarget([GENDER, RACE]);
    const run = (iteration: number, seed = 3) =>
      assignTargets(observed, observed, target, { ...OPTIONS, draws: 200, seed }, iteration);
    const first = run(5);
    expect(first).toMatchObject({ method: 'monte-carlo', sets: 200, draw: { seed: 3, iteration: 5 } });
    expect(run(5)).toEqual(first);
    expect(run(6)).not.toEqual(first);
    expect(run(5, 4)).not.toEqual(first);
    for (const { targets } of first.images) {
      expect(targets.gender!.confidence).toBeGreaterThanOrEqual(0.5);
      expect(targets.race!.confidence).toBeGreaterThanOrEqual(0.25);
    }
  });

  test.each<[string, () => unknown, string]>([
    [
      'an unknown attribute',
      () => uniformTarget([{ name: 'age', classes: ['young', 'old'] }]),
      "no attribute 'age'; it has gender, race",
    ],
    [
      'other classes',
      () => uniformTarget([{ name: 'gender', classes: ['male', 'female'] }]),
      "expected the classifier's classes female, male, received male, female",
    ],
  ])('of %s are refused', (_, target, message) => {
    const observed = observation([person(1)]);
    expect(() => assignTargets(observed, observed, target() as never, OPTIONS)).toThrow(message);
  });

  test('need ratios and as many originals', () => {
    const observed = observation([person(1)]);
    const target = uniformTarget([GENDER]);
    expect(() => assignTargets(observed, observed, target, { ...OPTIONS, ratios: {} })).toThrow(
      "'gender': expected ratios",
    );
    expect(() => assignTargets(observed, observation([null, null]), target, OPTIONS)).toThrow(
      'expected an original for each of 1 images, received 2',
    );
  });
});

describe('the fewest women among images at which no further one is asked for', () => {
  // The next one is wanted with the probability that a fair draw has at least as many.
  test.each([
    [0.8, 8, 3],
    [0.8, 16, 6],
    [0.8, 24, 10],
    [0.8, 40, 17],
    [0.6, 8, 4],
    [0.6, 16, 7],
    [0.6, 24, 11],
    [0.6, 40, 19],
  ])('at a confidence of %f of %i images are %i', (threshold, images, fewest) => {
    const asksFor = (women: number) => {
      const observed = observation(
        Array.from({ length: images }, (_, i) => person(i < women ? -5 - i / 100 : 5 + i / 100)),
      );
      const assigned = assignTargets(observed, observed, uniformTarget([GENDER]), { ...OPTIONS, threshold });
      return assigned.images.filter(({ targets }, i) => {
        const { confident, class: wanted } = targets.gender!;
        return i >= women && confident && wanted === 0;
      }).length;
    };
    const asked = Array.from({ length: images / 2 + 1 }, (_, women) => asksFor(women));
    expect(asked.indexOf(0)).toBe(fewest);
    expect(asked.slice(0, fewest)).toEqual(Array.from({ length: fewest }, (_, women) => fewest - women));
  });
});

describe('images that are asked to change, of 20 with 13 of one gender and 8 of one race', () => {
  /** Means over draws of how sure the classifier is; three images would have to change, of each attribute. */
  function asked(targetSet: 'drawn' | 'even'): { readonly gender: number; readonly race: number } {
    const rounds = 24;
    const sums = { gender: 0, race: 0 };
    for (let round = 0; round < rounds; round++) {
      const noise = gaussianNoise({ seed: 4, index: round, stream: 'asked' }, 20 * 6);
      const classes = Array.from({ length: 20 }, (_, i) => [
        (i * 7) % 20 < 13 ? 0 : 1,
        [0, 0, 1, 2, 3][i % 5]!,
      ]);
      const rows = classes.map((own, i) =>
        ATTRIBUTES.map(({ classes: names }, axis) =>
          names.map((_, k) => (k === own[axis] ? 5 : -5) + noise[i * 6 + axis * 2 + k]! / 2),
        ),
      );
      const observed = observation(rows);
      const options = { ...OPTIONS, threshold: 0.6, targetSet, draws: 2000 };
      const { images } = assignTargets(observed, observed, uniformTarget(ATTRIBUTES), options, round);
      for (const [axis, name] of (['gender', 'race'] as const).entries()) {
        sums[name] += images.filter(({ targets }, i) => {
          const { confident, class: wanted } = targets[name]!;
          return confident && wanted !== classes[i]![axis];
        }).length;
      }
    }
    return { gender: sums.gender / rounds, race: sums.race / rounds };
  }

  test('are more than half of those that would have to where the set is even, and next to none where targets are drawn', () => {
    const [drawn, even] = [asked('drawn'), asked('even')];
    expect(even.gender).toBeCloseTo(2, 0);
    expect(even.race).toBeCloseTo(1.6, 0);
    expect(drawn.gender).toBeCloseTo(0.6, 0);
    expect(drawn.race).toBeLessThan(0.2);
  });
});

describe('weights', () => {
  /** One image with a sure target female; its original shows `original` (a logit margin towards male). */
  function one(original: number | null, options: Partial<LossWeights> = {}) {
    const rows = original === null ? [null] : [person(original)];
    const target = createTarget([GENDER], [1, 0]);
    const seen = observation([person(0.1)], [2, 2, 8, 8]);
    return assignTargets(seen, observation(rows, [4, 0, 12, 6]), target, { ...OPTIONS, ...options })
      .images[0]!;
  }

  test('are full where target and original agree', () => {
    expect(one(-1).weights).toMatchObject({ outside: 8, face: 8 });
  });

  test('fall outside the face and again where both faces meet', () => {
    const { weights } = one(1);
    expect(weights.outside).toBeCloseTo(1.6, 12);
    expect(weights.face).toBeCloseTo(0.32, 12);
    expect(weights.region).toEqual({ left: 4, top: 2, right: 8, bottom: 6 });
  });

  test('of an image without a confident target follow the option', () => {
    const undecided = (noTarget: 'asAgree' | 'asDisagree') => {
      const observed = observation([person(1), person(-1)]);
      return assignTargets(observed, observed, uniformTarget([GENDER]), { ...OPTIONS, noTarget }).images[0]!;
    };
    expect(undecided('asAgree').targets.gender!.confident).toBe(false);
    expect(undecided('asAgree').weights.outside).toBe(8);
    expect(undecided('asDisagree').weights.outside).toBeCloseTo(1.6, 12);
  });

  test.each<[string, number | null, Partial<LossWeights>, boolean]>([
    ['agrees surely', -2, { faceTarget: 'own' }, true],
    ['agrees, but is not sure', -0.5, { faceTarget: 'own' }, false],
    ['agrees and is sure enough', -0.5, { faceTarget: 'own', ownConfidence: 0.7 }, true],
    ['disagrees', 2, { faceTarget: 'own' }, false],
    ['shows no face', null, { faceTarget: 'own' }, false],
    ['agrees surely, but the nearest face is asked for', -2, {}, false],
  ])('the own face counts where the original %s', (_, original, options, expected) => {
    expect(one(original, options).useOwn).toBe(expected);
  });
});

describe('parts of a batch', () => {
  test('are joined and cut without a change', () => {
    const rows = [person(-1), null, person(2), person(0.5)];
    const whole = observation(rows);
    expect(joinObservations([observation(rows.slice(0, 1)), observation(rows.slice(1))])).toEqual(whole);
    const assignment = assignTargets(whole, whole, uniformTarget([GENDER]), OPTIONS);
    const part = sliceAssignment(assignment, 1, 3);
    expect(part).toMatchObject({ faces: 3, count: 4, method: 'binomial' });
    expect(part.images).toEqual(assignment.images.slice(1, 3));
    expect(() => joinObservations([])).toThrow('expected at least one part');
  });

  test('the largest class of a row without a face is none', () => {
    const rows = Float32Array.of(1, 3, 2, Number.NaN, Number.NaN, Number.NaN);
    expect([largestClass(rows, 0, 3), largestClass(rows, 1, 3)]).toEqual([1, null]);
  });
});
