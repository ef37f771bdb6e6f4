import { expect, test } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { mixImages, mixTargets } from './mixing.ts';

const SIDE = 12;
const LENGTH = 3 * SIDE * SIDE;

/** A batch whose image i is i + 1 everywhere. */
function flatBatch(count: number): Float32Array {
  return Float32Array.from({ length: count * LENGTH }, (_, at) => Math.floor(at / LENGTH) + 1);
}

const nextOf = (count: number) => (position: number) => (position + 1) % count;

test('images are mixed by their shares, at every pixel or by area, with what their partners were before', () => {
  const count = 200;
  const batch = flatBatch(count);
  const { partners, shares } = mixImages(batch, SIDE, nextOf(count), 0.75, createGenerator({ seed: 4 }));
  let [blends, cuts, whole] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const image = batch.subarray(i * LENGTH, (i + 1) * LENGTH);
    const [own, other, share] = [i + 1, partners[i]! + 1, shares[i]!];
    const mean = image.reduce((sum, value) => sum + value, 0) / LENGTH;
    const values = new Set(image);
    if (own === other) {
      expect([share, [...values]]).toEqual([1, [own]]);
      whole++;
      continue;
    }
    expect(other).toBe(((i + 1) % count) + 1);
    // A line through whole pixels may leave a row of them on the wrong side.
    const tolerance = (Math.abs(own - other) * 1.5) / SIDE;
    expect(Math.abs(mean - (share * own + (1 - share) * other))).toBeLessThan(tolerance);
    if ([...values].every((value) => value === own || value === other)) cuts++;
    else {
      expect(values.size).toBe(1);
      blends++;
    }
  }
  for (const [kind, expected] of [
    [whole, 50],
    [blends, 75],
    [cuts, 75],
  ] as const)
    expect(Math.abs(kind - expected)).toBeLessThan(20);
});

test('a cut is one straight line, the same in all channels', () => {
  const count = 40;
  const batch = flatBatch(count);
  const { partners } = mixImages(batch, SIDE, nextOf(count), 1, createGenerator({ seed: 5 }));
  for (let i = 0; i < count; i++) {
    const image = batch.subarray(i * LENGTH, (i + 1) * LENGTH);
    const area = SIDE * SIDE;
    const owns = (at: number) => image[at] === i + 1;
    for (let at = 0; at < area; at++) {
      expect([image[at + area], image[at + 2 * area]]).toEqual([image[at], image[at]]);
    }
    // Along each row and each column what is owned begins or ends once at most.
    for (let line = 0; line < SIDE; line++) {
      const row = Array.from({ length: SIDE }, (_, x) => owns(line * SIDE + x));
      const column = Array.from({ length: SIDE }, (_, y) => owns(y * SIDE + line));
      for (const cells of [row, column]) {
        const changes = cells.filter((own, at) => at > 0 && own !== cells[at - 1]).length;
        expect(changes).toBeLessThanOrEqual(1);
      }
    }
    expect(partners[i]).toBe((i + 1) % count);
  }
});

test('nothing is mixed at probability 0, or where an image has no partner', () => {
  const untouched = flatBatch(6);
  for (const [partnerOf, probability] of [
    [nextOf(6), 0],
    [(position: number) => position, 1],
  ] as const) {
    const batch = flatBatch(6);
    const { shares } = mixImages(batch, SIDE, partnerOf, probability, createGenerator({ seed: 6 }));
    expect(batch).toEqual(untouched);
    expect([...shares]).toEqual([1, 1, 1, 1, 1, 1]);
  }
});

test('targets are mixed like their images', () => {
  const mixture = { partners: Int32Array.of(1, 1, 0), shares: Float32Array.of(0.25, 1, 0.5) };
  const targets = Float32Array.of(1, 0, 0, /* */ 0, 1, 0, /* */ 0, 0, 1);
  expect([...mixTargets(targets, mixture, 1)]).toEqual([0.25, 0.75, 0, 0, 1, 0, 0.5, 0, 0.5]);
  // .25^2 : .75^2 is 1 : 9.
  const sharp = [...mixTargets(targets, mixture, 2)];
  [0.1, 0.9, 0, 0, 1, 0, 0.5, 0, 0.5].forEach((expected, i) => {
    expect(sharp[i]).toBeCloseTo(expected, 6);
  });
});
