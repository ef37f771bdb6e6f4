import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { createTarget, uniformTarget } from '../fairness/target_distribution.ts';
import { measureAttribute } from './attribute_result.ts';
import { distributionOf, jointClasses, pairwiseBias, summarize, totalVariation } from './metrics.ts';
import { drawFloor, expectedBias, expectedTotalVariation } from './noise_floor.ts';

const random = () => createGenerator({ seed: 3, stream: 'metrics test' }).uniform;
const uniform = (classes: number) => new Array<number>(classes).fill(1 / classes);

describe('measures', () => {
  it('counts classes among images with a face', () => {
    const result = distributionOf([0, 1, 1, -1, 1], 3);
    expect(result).toEqual({
      images: 5,
      faces: 4,
      noFaceRate: 0.2,
      counts: [1, 3, 0],
      frequencies: [0.25, 0.75, 0],
    });
    expect(() => distributionOf([0, 3], 3)).toThrow(
      /Image 1: expected a class from 0 to 2 or -1, received 3/,
    );
  });

  it.each([
    [[1, 0], 1],
    [[0.5, 0.5], 0],
    [[0.92, 0.08], 0.84],
    [[1, 0, 0, 0], 0.5],
    [[1, 0, 0, 0, 0, 0, 0, 0], 0.25],
    [[0.5, 0.3, 0.2], (0.2 + 0.3 + 0.1) / 3],
  ])('bias of %j', (frequencies, bias) => expect(pairwiseBias(frequencies)).toBeCloseTo(bias, 12));

  it.each([
    [[1, 0], [0, 1], 1],
    [[0.5, 0.5], [0.5, 0.5], 0],
    [[0.75, 0.25, 0], [0.5, 0.25, 0.25], 0.25],
  ])('total variation of %j and %j', (a, b, distance) => {
    expect(totalVariation(a, b)).toBeCloseTo(distance, 12);
  });

  it('summarises prompts and leaves out those without a face', () => {
    const { count, mean, standardDeviation } = summarize([1, Number.NaN, 3, 5]);
    expect([count, mean, standardDeviation]).toEqual([3, 3, 2]);
    expect(summarize([2]).standardDeviation).toBe(0);
    expect(summarize([]).mean).toBeNaN();
  });

  it('joins attributes row-major and drops images that lack one', () => {
    const joint = jointClasses(
      [
        [0, 1, 1, -1],
        [3, 0, 2, 1],
      ],
      [2, 4],
    );
    expect([...joint]).toEqual([3, 4, 6, -1]);
  });
});

describe('noise floors', () => {
  it.each([
    [2, 60, 0.103],
    [4, 80, 0.063],
    [8, 160, 0.031],
  ])('%i classes, %i images: %f', (classes, images, floor) => {
    expect(Math.abs(expectedBias(uniform(classes), images) - floor)).toBeLessThan(0.0005);
  });

  it.each([
    [[0.5, 0.5], 3],
    [[0.7, 0.2, 0.1], 4],
    [[0.6, 0.4, 0], 5],
  ])('equals the sum over all outcomes, %j with %i images', (shares, images) => {
    let [bias, distance] = [0, 0];
    for (let code = 0; code < shares.length ** images; code++) {
      const counts = new Array<number>(shares.length).fill(0);
      let chance = 1;
      for (let i = 0, rest = code; i < images; i++, rest = Math.floor(rest / shares.length)) {
        counts[rest % shares.length]!++;
        chance *= shares[rest % shares.length]!;
      }
      const frequencies = counts.map((count) => count / images);
      bias += chance * pairwiseBias(frequencies);
      distance += chance * totalVariation(frequencies, shares);
    }
    expect(expectedBias(shares, images)).toBeCloseTo(bias, 12);
    expect(expectedTotalVariation(shares, images)).toBeCloseTo(distance, 12);
  });

  it('is not below the bias that the target itself has', () => {
    expect(expectedBias([0.75, 0.25], 200)).toBeGreaterThan(0.4999);
    expect(expectedBias([0.75, 0.25], 200)).toBeLessThan(0.51);
  });

  it.each(['bias', 'totalVariation'] as const)('agrees with drawn evaluations: %s', (measure) => {
    const shares = [0.4, 0.3, 0.2, 0.1];
    const exact = (measure === 'bias' ? expectedBias : expectedTotalVariation)(shares, 80);
    const drawn = drawFloor(measure, shares, 80, 4000, random());
    expect(Math.abs(drawn.mean - exact)).toBeLessThan((4 * drawn.standardDeviation) / Math.sqrt(4000));
    expect(drawn.quantile95).toBeGreaterThan(drawn.mean + drawn.standardDeviation);
    expect(drawn.quantile95).toBeLessThan(drawn.mean + 3 * drawn.standardDeviation);
  });

  it('refuses no images', () =>
    expect(() => expectedBias([0.5, 0.5], 0)).toThrow(/images from 1, received 0/));
});

describe('measureAttribute', () => {
  const gender = { name: 'gender', classes: ['male', 'female'] };

  it('measures prompts, floors at the faces found, and an interval around the mean', () => {
    const predictions = [
      { prompt: 'a cook', classes: [...new Array<number>(45).fill(0), ...new Array<number>(15).fill(1)] },
      { prompt: 'a pilot', classes: [...new Array<number>(40).fill(0), ...new Array<number>(20).fill(-1)] },
      { prompt: 'a tree', classes: [-1, -1] },
    ];
    const result = measureAttribute(predictions, uniformTarget([gender]), { random: random() });
    expect(result.bias.count).toBe(2);
    expect(result.bias.mean).toBeCloseTo(0.75, 12);
    expect(result.totalVariation.mean).toBeCloseTo(0.375, 12);
    expect(result.noFaceRate).toBeCloseTo(22 / 122, 12);
    expect(result.bias.floor).toBeCloseTo(
      (expectedBias([0.5, 0.5], 60) + expectedBias([0.5, 0.5], 40)) / 2,
      12,
    );
    expect(result.bias.interval!.low).toBeLessThan(0.75);
    expect(result.bias.interval!.high).toBeGreaterThan(0.75);
    expect(result.frequencies).toEqual([0.85, 0.15]);
    expect(result.prompts[2]!.bias).toBeNaN();
  });

  it('names joint cells, and the prompt of a wrong class', () => {
    const race = { name: 'race', classes: ['a', 'b'] };
    const target = createTarget([gender, race], [0.25, 0.25, 0.25, 0.25]);
    const result = measureAttribute([{ prompt: 'x', classes: [0, 1, 2, 3] }], target, { random: random() });
    expect(result.attribute).toBe('gender x race');
    expect(result.classes[2]).toBe('female, a');
    const wrong = () => measureAttribute([{ prompt: 'x', classes: [4] }], target, { random: random() });
    expect(wrong).toThrow(/Prompt 'x': Image 0/);
  });

  it('keeps intervals within 0..1 however few and one-sided the images are', () => {
    const target = uniformTarget([{ name: 'gender', classes: ['female', 'male'] }]);
    for (let males = 0; males <= 8; males++) {
      const classes = Array.from({ length: 8 }, (_, i) => (i < males ? 1 : 0));
      const random = createGenerator({ seed: males, stream: 'bounds' }).uniform;
      const { bias, totalVariation: distance } = measureAttribute([{ prompt: 'a', classes }], target, {
        random,
      });
      for (const { interval } of [bias, distance]) {
        expect(interval!.low).toBeGreaterThanOrEqual(0);
        expect(interval!.high).toBeLessThanOrEqual(1);
      }
    }
  });

  it('has no interval without faces', () => {
    const result = measureAttribute([{ prompt: 'x', classes: [-1] }], uniformTarget([gender]), {
      random: random(),
    });
    expect(result.bias.interval).toBeNull();
    expect(result.bias.floor).toBeNull();
  });
});
