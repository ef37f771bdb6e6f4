import { describe, expect, it } from 'vitest';
import { readPlanes, writePlanes } from './image.ts';

describe('planes of an image', () => {
  it('hold each channel by itself, at the place of the image in the batch', () => {
    const pixels = Uint8Array.of(0, 255, 51, 102, 153, 204);
    const batch = new Float32Array(18).fill(9);
    writePlanes(batch, 1, pixels);
    const expected = [0, 102, 255, 153, 51, 204].map((byte) => byte / 127.5 - 1);
    expect([...batch.subarray(0, 6)]).toEqual(new Array(6).fill(9));
    expect(batch.subarray(6, 12)).toEqual(Float32Array.from(expected));
    expect([...batch.subarray(12)]).toEqual(new Array(6).fill(9));
    expect([batch[6], batch[8]]).toEqual([-1, 1]);
  });

  it('give every byte back', () => {
    const pixels = Uint8Array.from({ length: 768 }, (_, i) => (i * 7) % 256);
    const batch = new Float32Array(2 * 768);
    writePlanes(batch, 1, pixels);
    expect(readPlanes(batch, 1, 32, 8)).toEqual({ width: 32, height: 8, pixels });
  });

  it('are rounded to the nearest byte and limited', () => {
    const values = [-1, -7, 1, 1.5, 0, 0.004, -0.0039, 0.003, 1 / 127.5, -1 / 127.5, 0.9999, -0.9999];
    const data = Float32Array.from(values);
    const { pixels } = readPlanes(data, 0, 2, 2);
    const planes = [0, 1, 2].flatMap((channel) => [0, 1, 2, 3].map((i) => pixels[3 * i + channel]!));
    expect(planes.slice(0, 4)).toEqual([0, 0, 255, 255]);
    expect(planes.slice(10)).toEqual([255, 0]);
    planes.slice(4).forEach((byte, i) => {
      expect(Math.abs(byte - (data[4 + i]! + 1) * 127.5)).toBeLessThanOrEqual(0.5);
    });
  });
});
