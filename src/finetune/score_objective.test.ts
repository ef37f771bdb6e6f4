import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { encodeModel, input, mul, Runtime, reduceMean } from '../graph/index.ts';
import { openScore } from './score_file.ts';
import { addObjectives, checkScore, scoreObjective } from './score_objective.ts';

const runtime = new Runtime({ threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'scores-'));
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const [COUNT, SIDE] = [3, 4];
const images = gaussianNoise({ seed: 2, stream: 'images' }, COUNT * 3 * SIDE * SIDE);
const request = {
  images,
  originals: images,
  count: COUNT,
  height: SIDE,
  width: SIDE,
  prompt: '',
  iteration: 0,
};
const meanOf = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = meanOf(images.map((value) => value * value));

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  return at;
}

const brightness = file(
  'brightness.mjs',
  'export default (images, { reduceMean }) => reduceMean(images, { axes: [1, 2, 3] });\n',
);

function energyModel(): Uint8Array {
  const pixels = input('pixels', [2, 3, SIDE, SIDE]);
  return encodeModel({ energy: reduceMean(mul(pixels, pixels), { axes: [1, 2, 3] }) }, 'cpu').bytes;
}

describe('an objective from a score', () => {
  it('of a module has the mean as its value and the slope of every pixel', async () => {
    const score = await openScore(brightness);
    const objective = scoreObjective(runtime, score, { weight: 3, batchSize: 2 });
    const found = await objective.evaluate(request);
    expect(found.loss).toBeCloseTo(-3 * meanOf(images), 5);
    expect(found.metrics).toEqual({ 'score brightness': expect.closeTo(meanOf(images), 5) });
    for (const slope of found.gradient) expect(slope).toBeCloseTo(-3 / images.length, 7);
    expect(await objective.measure(request)).toEqual(found.metrics);
    await objective.release();
  });

  it('of an ONNX model is differentiated through it, and minimised where that is asked for', async () => {
    const score = await openScore(file('energy.onnx', energyModel()));
    const objective = scoreObjective(runtime, score, { direction: 'minimise', batchSize: 2 });
    const found = await objective.evaluate(request);
    expect(found.loss).toBeCloseTo(squares, 4);
    found.gradient.forEach((slope, i) => {
      expect(slope).toBeCloseTo((2 * images[i]!) / images.length, 5);
    });
    await objective.release();
  });

  it('adds up with others', async () => {
    const [bright, energy] = [
      scoreObjective(runtime, await openScore(brightness), { weight: 2 }),
      scoreObjective(runtime, await openScore(file('energy.onnx', energyModel())), { batchSize: 2 }),
    ];
    const found = await addObjectives([bright, energy]).evaluate(request);
    expect(found.loss).toBeCloseTo(-2 * meanOf(images) - squares, 4);
    expect(Object.keys(found.metrics)).toEqual(['score brightness', 'score energy']);
    found.gradient.forEach((slope, i) => {
      expect(slope).toBeCloseTo((-2 - 2 * images[i]!) / images.length, 5);
    });
    await bright.release();
    await energy.release();
  });

  it('comes to the same part by part, alone and added up', async () => {
    const bright = scoreObjective(runtime, await openScore(brightness), { weight: 2, batchSize: 2 });
    const energy = scoreObjective(runtime, await openScore(file('energy.onnx', energyModel())), {
      batchSize: 2,
    });
    const sum = addObjectives([bright, energy]);
    const whole = await sum.evaluate(request);
    const length = images.length / COUNT;
    const parts = [
      { ...request, count: 2, images: images.subarray(0, 2 * length) },
      { ...request, count: 1, images: images.subarray(2 * length) },
    ];
    const seen: unknown[] = [];
    for (const part of parts) seen.push(await sum.staged!.see(part));
    const decided = sum.staged!.decide(seen, 0);
    let loss = 0;
    const gradient: number[] = [];
    for (const [i, part] of parts.entries()) {
      const found = await decided.parts[i]!.differentiate(part.images);
      loss += found.loss;
      gradient.push(...found.gradient);
    }
    expect(loss).toBeCloseTo(whole.loss, 4);
    gradient.forEach((slope, i) => {
      expect(slope).toBeCloseTo(whole.gradient[i]!, 6);
    });
    const measuring = sum.measuring!();
    for (const part of parts) await measuring.add(part);
    const { metrics } = measuring.finish();
    expect(metrics['score brightness']).toBeCloseTo(meanOf(images), 5);
    expect(metrics['score energy']).toBeCloseTo(squares, 4);
    await bright.release();
    await energy.release();
  });

  it.each([
    ['nowhere.mjs', null, /found none at .*nowhere\.mjs/],
    ['score.py', '', /expected a \.js, \.mjs or \.onnx file/],
    ['empty.mjs', 'export const score = 1;', /expected a default export, a function/],
    ['broken.onnx', 'not a model', /broken\.onnx/],
  ])('refuses %s and says why', async (name, content, message) => {
    const at = content === null ? path.join(folder, name) : file(name, content);
    const evaluate = async () => scoreObjective(runtime, await openScore(at)).evaluate(request);
    await expect(evaluate()).rejects.toThrow(message);
  });

  it('refuses more than one number an image', async () => {
    const at = file('pixels.mjs', 'export default (images) => images;\n');
    const objective = scoreObjective(runtime, await openScore(at), { batchSize: 2 });
    await expect(objective.evaluate(request)).rejects.toThrow(
      /objective pixels: expected one float32 number an image, \[2\] or \[2, 1\], received float32 \[2,3,4,4\]/,
    );
  });

  it.each([
    ['pixels', '(images) => images', /objective pixels: expected one float32 number an image, \[2\]/],
    ['broken', '() => { throw new Error("no such operator"); }', /^objective broken: no such operator$/],
  ])('is checked before it runs: %s', async (name, body, message) => {
    const score = await openScore(file(`${name}-checked.mjs`, `export default ${body};\n`));
    expect(() => checkScore({ ...score, name }, 8)).toThrow(message);
  });
});
