import { describe, expect, it } from 'vitest';
import { type View, writeView } from './augmentation.ts';
import { boxThroughView, throughView } from './view_geometry.ts';

const views: [string, View][] = [
  ['moved', { x: 30, y: 36, size: 64, angle: 0, mirrored: false }],
  ['zoomed and mirrored', { x: 34, y: 30, size: 48, angle: 0, mirrored: true }],
  ['turned', { x: 33, y: 31, size: 60, angle: 0.3, mirrored: false }],
  ['turned and mirrored', { x: 29, y: 35, size: 80, angle: -0.25, mirrored: true }],
];

/** Picture with a bright blob around (x, y): brightness falls off linearly over 4 pixels. */
function blob(x: number, y: number) {
  const pixels = new Uint8Array(64 * 64 * 3);
  for (let i = 0; i < 64 * 64; i++) {
    const distance = Math.hypot((i % 64) + 0.5 - x, Math.floor(i / 64) + 0.5 - y);
    pixels.fill(Math.max(0, 255 * (1 - distance / 4)), i * 3, i * 3 + 3);
  }
  return { width: 64, height: 64, pixels };
}

describe('view geometry', () => {
  it.each(views)('finds a blob where writeView puts it: %s', (_, view) => {
    const side = 48;
    const batch = new Float32Array(3 * side * side);
    writeView(batch, 0, side, blob(38, 27), view);
    let [sum, sumX, sumY] = [0, 0, 0];
    for (let i = 0; i < side * side; i++) {
      const weight = batch[i]! + 1;
      sum += weight;
      sumX += weight * ((i % side) + 0.5);
      sumY += weight * (Math.floor(i / side) + 0.5);
    }
    const [x, y] = throughView(view, side, [38, 27]);
    expect(Math.abs(sumX / sum - x)).toBeLessThan(0.1);
    expect(Math.abs(sumY / sum - y)).toBeLessThan(0.1);
  });

  it.each(views)('bounds the points of the ellipse tightly: %s', (_, view) => {
    const box = [20, 18, 40, 50] as const;
    const points = Array.from({ length: 720 }, (_, i) => {
      const t = (i * Math.PI) / 360;
      return throughView(view, 64, [30 + 10 * Math.cos(t), 34 + 16 * Math.sin(t)]);
    });
    const [x0, y0, x1, y1] = boxThroughView(view, 64, box);
    expect(Math.min(...points.map(([x]) => x))).toBeCloseTo(x0, 2);
    expect(Math.max(...points.map(([x]) => x))).toBeCloseTo(x1, 2);
    expect(Math.min(...points.map(([, y]) => y))).toBeCloseTo(y0, 2);
    expect(Math.max(...points.map(([, y]) => y))).toBeCloseTo(y1, 2);
  });
});
