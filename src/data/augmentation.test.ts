import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../diffusion/image.ts';
import { createGenerator } from '../diffusion/noise.ts';
import {
  type AugmentationRanges,
  randomColor,
  randomView,
  SAME_COLOR,
  type View,
  wholeView,
  writeView,
} from './augmentation.ts';

const SIDE = 4;

/** A 4 x 4 picture whose channels hold known bytes of row and column. */
const image: RgbImage = {
  width: SIDE,
  height: SIDE,
  pixels: Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => byteAt(i % 3, i / 12, (i / 3) % 4)),
};

function byteAt(channel: number, row: number, column: number): number {
  return 40 * Math.floor(row) + 10 * Math.floor(column) + 25 * channel;
}

/** The view's planes, brought back to 0..255, as [channel][row][column]. */
function look(view: View, side = SIDE, source = image, color = SAME_COLOR): number[][][] {
  const batch = new Float32Array(3 * 3 * side * side).fill(7);
  writeView(batch, 1, side, source, view, color);
  const plane = side * side;
  for (const i of [0, 3 * plane - 1, 6 * plane, 9 * plane - 1]) expect(batch[i]).toBe(7);
  return Array.from({ length: 3 }, (_, channel) =>
    Array.from({ length: side }, (_, row) => {
      const start = (3 + channel) * plane + row * side;
      return [...batch.subarray(start, start + side)].map((value) => (value + 1) * 127.5);
    }),
  );
}

/** Compares every pixel of the view with the byte that `source` names, or black. */
function expectPixels(view: View, source: (row: number, column: number) => [number, number] | null) {
  look(view).forEach((plane, channel) => {
    plane.forEach((values, row) => {
      values.forEach((value, column) => {
        const from = source(row, column);
        expect(value).toBeCloseTo(from === null ? 0 : byteAt(channel, ...from), 3);
      });
    });
  });
}

describe('a view of an image', () => {
  const whole = wholeView(SIDE);

  it('of the whole is the image', () => {
    expectPixels(whole, (row, column) => [row, column]);
  });

  it('mirrors left and right', () => {
    expectPixels({ ...whole, mirrored: true }, (row, column) => [row, 3 - column]);
  });

  it.each([
    ['a quarter', Math.PI / 2, (row: number, column: number): [number, number] => [column, 3 - row]],
    ['a half', Math.PI, (row: number, column: number): [number, number] => [3 - row, 3 - column]],
    ['a quarter back', -Math.PI / 2, (row: number, column: number): [number, number] => [3 - column, row]],
  ])('turns by %s', (_, angle, source) => {
    expectPixels({ ...whole, angle }, source);
  });

  it('mirrors before it turns', () => {
    expectPixels({ ...whole, angle: Math.PI / 2, mirrored: true }, (row, column) => [3 - column, 3 - row]);
  });

  it('is black outside the image', () => {
    expectPixels({ ...whole, x: whole.x + 2, y: whole.y - 1 }, (row, column) =>
      row >= 1 && column < 2 ? [row - 1, column + 2] : null,
    );
  });

  it('interpolates between pixels, and fades into the black half a pixel wide', () => {
    const [plane] = look({ ...whole, x: whole.x + 0.5 });
    expect(plane![1]!.map((value) => Number(value.toFixed(3)))).toEqual([45, 55, 65, 35]);
  });

  it('enlarges a part to any side', () => {
    const [plane] = look({ x: 2, y: 2, size: 2, angle: 0, mirrored: false }, 2);
    expect(plane!.flat().map(Math.round)).toEqual([50, 60, 90, 100]);
    const [large] = look({ x: 2, y: 2, size: 2, angle: 0, mirrored: false }, 4);
    // Centres at 1.25, 1.75, 2.25, 2.75 in a picture that is linear between 0.5 and 3.5.
    expect(large![0]!.map((value) => Number(value.toFixed(3)))).toEqual([37.5, 42.5, 47.5, 52.5]);
  });

  it('fits images that are not square', () => {
    const wide: RgbImage = { width: 4, height: 2, pixels: image.pixels.slice(0, 24) };
    const [plane] = look({ x: 2, y: 1, size: 4, angle: 0, mirrored: false }, 4, wide);
    expect(plane!.map((row) => row.map(Math.round))).toEqual([
      [0, 0, 0, 0],
      [0, 10, 20, 30],
      [40, 50, 60, 70],
      [0, 0, 0, 0],
    ]);
  });

  it('changes colours channel by channel, limited to what can be shown', () => {
    const [red, green, blue] = look(whole, 4, image, { gain: [1, 0.5, -1], offset: [0, 0.2, 1.9] });
    const shown = (value: number) => Math.min(255, Math.max(0, (value + 1) * 127.5));
    expect(red![2]![3]).toBeCloseTo(byteAt(0, 2, 3), 3);
    expect(green![2]![3]).toBeCloseTo(shown((byteAt(1, 2, 3) / 127.5 - 1) * 0.5 + 0.2), 3);
    expect(blue![0]![0]).toBe(255);
    expect(blue![3]![3]).toBeCloseTo(shown(1 - byteAt(2, 3, 3) / 127.5 + 1.9), 3);
  });
});

describe('random views and colours', () => {
  const ranges: AugmentationRanges = { shift: 0.1, zoom: 1.25, angle: 0.2, mirror: 0.3, color: 0.15 };
  const base: View = { x: 10, y: 20, size: 8, angle: 0.5, mirrored: false };
  const draw = (seed: number, from = base) => {
    const random = createGenerator({ seed, stream: 'augmentation' });
    return { view: randomView(from, ranges, random), color: randomColor(ranges, random) };
  };
  const all = Array.from({ length: 400 }, (_, seed) => draw(seed));

  it('follow from the generator', () => {
    expect(draw(5)).toEqual(all[5]);
    expect(draw(6)).not.toEqual(all[5]);
  });

  it('stay in their ranges and fill them', () => {
    const spread = (values: number[]) => [Math.min(...values), Math.max(...values)] as const;
    const check = (values: number[], low: number, high: number) => {
      const [least, most] = spread(values);
      expect(least).toBeGreaterThanOrEqual(low);
      expect(least).toBeLessThan(low + 0.05 * (high - low));
      expect(most).toBeLessThanOrEqual(high);
      expect(most).toBeGreaterThan(high - 0.05 * (high - low));
    };
    check(
      all.map(({ view }) => Math.log(view.size / 8)),
      -Math.log(1.25),
      Math.log(1.25),
    );
    check(
      all.map(({ view }) => view.x),
      9.2,
      10.8,
    );
    check(
      all.map(({ view }) => view.y),
      19.2,
      20.8,
    );
    check(
      all.map(({ view }) => view.angle),
      0.3,
      0.7,
    );
    const mirrored = all.filter(({ view }) => view.mirrored).length / 400;
    expect(Math.abs(mirrored - 0.3)).toBeLessThan(0.1);
    for (const { color } of all) {
      for (const k of [0, 1, 2]) {
        expect(Math.abs(color.gain[k]! - 1)).toBeLessThan(0.15 * 1.045 * 1.3);
        expect(Math.abs(color.offset[k]!)).toBeLessThan(0.15 * 1.3);
      }
    }
  });

  it('vary around the base: a mirrored one is mirrored back', () => {
    for (let seed = 0; seed < 20; seed++) {
      const mirrored = draw(seed, { ...base, mirrored: true }).view;
      expect(mirrored).toEqual({ ...all[seed]!.view, mirrored: !all[seed]!.view.mirrored });
    }
  });

  it('change nothing where the ranges are empty', () => {
    const none = { shift: 0, zoom: 1, angle: 0, mirror: 0, color: 0 };
    const random = createGenerator({ seed: 1, stream: 'augmentation' });
    expect(randomView(base, none, random)).toEqual(base);
    expect(randomColor(none, random)).toEqual(SAME_COLOR);
  });
});
