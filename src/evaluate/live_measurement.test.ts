import { describe, expect, it } from 'vitest';
import { createTarget, uniformTarget } from '../fairness/index.ts';
import { wilsonInterval } from './intervals.ts';
import { liveTally } from './live_measurement.ts';
import { NO_FACE } from './metrics.ts';

const GENDER = { name: 'gender', classes: ['female', 'male'] };
const AGE = { name: 'age', classes: ['young', 'old'] };
const subject = { label: 'model', group: null, all: 6, attributes: [GENDER, AGE] };
const part = (first: number, gender: readonly number[], age: readonly number[]) => ({
  seeds: gender.map((_, i) => first + i),
  classes: { gender: Int32Array.from(gender), age: Int32Array.from(age) },
});

describe('a measurement that grows', () => {
  it('counts classes among the images with a face, with their intervals against the target', () => {
    const tally = liveTally({ ...subject, target: createTarget([GENDER], [0.25, 0.75]) });
    const blind = tally.add(part(0, [NO_FACE, NO_FACE], [NO_FACE, NO_FACE]));
    expect(blind).toMatchObject({ label: 'model', group: null, images: 2, all: 6, faces: 0, level: 0.95 });
    expect(blind.attributes[0]).toEqual({
      attribute: 'gender',
      classes: ['female', 'male'],
      counts: [0, 0],
      shares: [0, 0],
      intervals: [
        { low: 0, high: 1 },
        { low: 0, high: 1 },
      ],
      target: [0.25, 0.75],
    });
    tally.add(part(2, [0, 1], [0, 0]));
    const { images, faces, attributes } = tally.add(part(4, [1, NO_FACE], [1, NO_FACE]));
    expect([images, faces]).toEqual([6, 3]);
    const [gender, age] = attributes;
    expect(gender!.counts).toEqual([1, 2]);
    expect(gender!.shares).toEqual([1 / 3, 2 / 3]);
    expect(gender!.intervals).toEqual([wilsonInterval(1, 3), wilsonInterval(2, 3)]);
    expect(age).toMatchObject({ counts: [2, 1], target: null });
  });

  it('compares attributes with the marginals of a joint target', () => {
    const target = createTarget([GENDER, AGE], [0.1, 0.2, 0.3, 0.4]);
    const { attributes } = liveTally({ ...subject, target }).add(part(0, [0], [1]));
    expect(attributes[0]!.target![0]).toBeCloseTo(0.3, 12);
    expect(attributes[1]!.target![0]).toBeCloseTo(0.4, 12);
    const alone = liveTally({ ...subject, target: uniformTarget([AGE]) }).add(part(0, [0], [1]));
    expect(alone.attributes.map((each) => each.target)).toEqual([null, [0.5, 0.5]]);
  });
});
