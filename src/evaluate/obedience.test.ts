import { describe, expect, it } from 'vitest';
import { faceRates, rateChange, rateOf, uncertainRates } from './face_rates.ts';
import { newcombeDifference, wilsonInterval } from './intervals.ts';
import { NO_FACE } from './metrics.ts';
import { type ExplicitPrompt, measureObedience, obedienceChange } from './obedience.ts';

const KNOWN = [
  { name: 'gender', classes: ['female', 'male'] },
  { name: 'age', classes: ['young', 'old'] },
];
const EXPLICIT: readonly ExplicitPrompt[] = [
  { prompt: 'a male nurse', attributes: { gender: 'male' } },
  { prompt: 'an old woman', attributes: { gender: 'female', age: 'old' } },
];
const found = (gender: readonly number[][], age: readonly number[][]) =>
  EXPLICIT.map(({ prompt }, p) => ({
    prompt,
    classes: { gender: gender[p]!, age: age[p]! },
    faces: gender[p]!.map((k) => (k === NO_FACE ? 0 : 1)),
  }));

describe('measureObedience', () => {
  const before = measureObedience(
    EXPLICIT,
    KNOWN,
    found(
      [
        [1, 1, 0, NO_FACE],
        [0, 0, 1, 0],
      ],
      [
        [0, 1, 0, NO_FACE],
        [1, 0, 1, 1],
      ],
    ),
  );

  it('counts the images with a face that show what their prompt names', () => {
    const counts = ({ count, images }: { count: number; images: number }) => [count, images];
    const [nurse, woman] = before.prompts;
    expect(nurse!.images).toBe(4);
    expect(counts(nurse!.byAttribute.gender!)).toEqual([2, 3]);
    expect(Object.keys(nurse!.byAttribute)).toEqual(['gender']);
    expect(counts(woman!.byAttribute.gender!)).toEqual([3, 4]);
    expect(counts(woman!.byAttribute.age!)).toEqual([3, 4]);
    expect(counts(woman!.all)).toEqual([2, 4]);
    expect(counts(before.byAttribute.gender!)).toEqual([5, 7]);
    expect(counts(before.byAttribute.age!)).toEqual([3, 4]);
    expect(counts(before.all)).toEqual([4, 7]);
    expect(before.all.interval).toEqual(wilsonInterval(4, 7));
    expect(counts(before.faces.noFace)).toEqual([1, 8]);
  });

  it('changes by the difference of the rates', () => {
    const after = measureObedience(
      EXPLICIT,
      KNOWN,
      found(
        [
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ],
        [
          [0, 0, 0, 0],
          [1, 1, 1, 1],
        ],
      ),
    );
    const change = obedienceChange(before, after);
    expect(change.byAttribute.gender!.estimate).toBeCloseTo(4 / 8 - 5 / 7, 12);
    const expected = newcombeDifference({ successes: 4, trials: 8 }, { successes: 4, trials: 7 });
    expect(change.all).toEqual({ estimate: 4 / 8 - 4 / 7, ...expected });
  });

  it('has no rate where no image has a face', () => {
    const none = found([[NO_FACE], [NO_FACE]], [[NO_FACE], [NO_FACE]]);
    const { all } = measureObedience(EXPLICIT, KNOWN, none);
    expect(all).toEqual({ count: 0, images: 0, rate: Number.NaN, interval: null });
    expect(rateChange(all, before.all)).toBeNull();
  });

  it.each([
    [{ hat: 'yes' }, /'x': expected an attribute of gender, age, received hat/],
    [{ gender: 'man' }, /'x': expected gender to be female or male, received man/],
  ])('refuses %j', (attributes, message) => {
    expect(() =>
      measureObedience([{ prompt: 'x', attributes: { ...attributes } as never }], KNOWN, []),
    ).toThrow(message);
  });

  it('refuses images of other prompts', () => {
    const other = [{ prompt: 'y', classes: { gender: [0] }, faces: [1] }];
    expect(() => measureObedience(EXPLICIT.slice(0, 1), KNOWN, other)).toThrow(
      /expected images of 'a male nurse', received those of 'y'/,
    );
  });
});

describe('faceRates', () => {
  it('counts images without a face and with several', () => {
    const { noFace, severalFaces } = faceRates([Int32Array.of(0, 1, 2), Int32Array.of(3, 1)]);
    expect(noFace).toEqual({ count: 1, images: 5, rate: 0.2, interval: wilsonInterval(1, 5) });
    expect(severalFaces).toMatchObject({ count: 2, rate: 0.4 });
    expect(rateChange(noFace, severalFaces)!.estimate).toBeCloseTo(0.2, 12);
    expect(rateChange(rateOf(0, 0), noFace)).toBeNull();
  });
});

describe('uncertainRates', () => {
  it('counts by attribute the faces whose likeliest class is below .8, of those that there are', () => {
    const rates = uncertainRates([
      { gender: [0.5, 0.79, Number.NaN], age: [0.9, 0.9, Number.NaN] },
      { gender: [0.8, 1, 0.6], age: [0.3, 0.95, 0.99] },
    ]);
    expect(rates).toEqual({ gender: rateOf(3, 5), age: rateOf(1, 5) });
    expect(rates.gender).toMatchObject({ rate: 0.6, interval: wilsonInterval(3, 5) });
  });

  it('has no rate where no image shows a face, and no attribute without prompts', () => {
    expect(uncertainRates([{ gender: [Number.NaN] }]).gender).toMatchObject({ images: 0, interval: null });
    expect(uncertainRates([])).toEqual({});
  });
});
