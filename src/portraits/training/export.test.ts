import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { input } from '../../graph/index.ts';
import { readComponent, writeComponent } from './export.ts';
import { readScalingFactor } from './latents.ts';

const values = new Map([
  ['weight', input('weight', [2, 3])],
  ['bias', input('bias', [2])],
]);
const numbers = new Map([
  ['weight', Float32Array.of(1, -0.5, 0.25, 2, 3, 1 / 3)],
  ['bias', Float32Array.of(0.1, -7)],
]);

describe('components', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'component-'));
  writeComponent(folder, 'unet', { _class_name: 'UNet2DConditionModel' }, values, numbers);

  it('are read as they were written, within the rounding of float16', () => {
    const read = readComponent(folder, 'unet', values);
    expect([...read.keys()]).toEqual(['weight', 'bias']);
    for (const [name, expected] of numbers)
      read.get(name)!.forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(Math.abs(expected[i]!) * 2 ** -11);
      });
  });

  it.each([
    ['missing', 'scale', [2], 'expected a tensor scale of shape [2], found none'],
    ['of another shape', 'bias', [3], 'expected a tensor bias of shape [3], found [2]'],
  ])('are refused with a tensor %s', (_, name, shape, message) => {
    const wanted = new Map([...values, [name, input(name, shape)] as const]);
    expect(() => readComponent(folder, 'unet', wanted)).toThrow(message);
  });
});

describe('readScalingFactor', () => {
  it('reads a number and refuses a file without one', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'scaling-'));
    writeComponent(folder, 'vae', { scaling_factor: 0.75 }, values, numbers);
    expect(readScalingFactor(folder)).toBe(0.75);
    writeFileSync(path.join(folder, 'vae', 'config.json'), '{}');
    expect(() => readScalingFactor(folder)).toThrow('expected a number scaling_factor');
  });
});
