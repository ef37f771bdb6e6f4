/** Faces that fill the frame, through the card of BlazeFace: padding and looking again finds those that are missed. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { writePlanes } from '../../diffusion/image.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import { loadFaceDetector, locateFaceModel } from '../../faces/index.ts';
import { Runtime } from '../../graph/index.ts';
import { sampleCaptionedScene } from '../captions.ts';
import type { RasterizedScene } from '../draw.ts';
import { rasterizeScene } from '../draw.ts';
import { freezeScene } from '../scene.ts';
import { detectionFigures } from './detector.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

const SIDE = 192;
const COUNT = 8;

/** Plain drawings of one head each, `height` high on a canvas of 64, in the middle. */
function heads(height: number): RasterizedScene[] {
  const drawn: RasterizedScene[] = [];
  for (let index = 0; drawn.length < COUNT; index++) {
    const { scene } = sampleCaptionedScene(11, index, {});
    const [person] = scene.people;
    if (scene.people.length !== 1 || scene.style !== 'photo') continue;
    const people = [{ ...person!, pose: { x: 32, y: 32, height, tilt: 0 } }];
    drawn.push(rasterizeScene(freezeScene({ ...scene, props: [], people }), SIDE));
  }
  return drawn;
}

/** Drawings with a face found, and the share of faces that are found where they are. */
async function look(drawn: readonly RasterizedScene[], retryScales?: readonly number[]) {
  const data = new Float32Array(drawn.length * 3 * SIDE * SIDE);
  drawn.forEach(({ pixels }, position) => {
    writePlanes(data, position, pixels);
  });
  const options = { batchSize: COUNT, ...(retryScales ? { retryScales } : {}) };
  const detector = loadFaceDetector(runtime, locateFaceModel('blazeface', '.'), options);
  const found = await detector.detect(imageBatch(data, drawn.length, SIDE, SIDE));
  await detector.release();
  const pairs = drawn.map(({ faces }, i) => ({ truth: faces, found: found[i]! }));
  return { shown: found.filter((faces) => faces.length > 0).length, recall: detectionFigures(pairs).recall };
}

test('BlazeFace finds drawn heads of usual size at once, and most that fill the frame when it looks again', async () => {
  expect((await look(heads(28), [])).recall).toBeGreaterThanOrEqual(0.75);
  const large = heads(72);
  const [once, again] = [await look(large, []), await look(large)];
  expect(once.shown).toBeLessThanOrEqual(COUNT / 2);
  expect(again.shown).toBeGreaterThanOrEqual(COUNT - 2);
  expect(again.recall).toBeGreaterThanOrEqual(once.recall + 0.25);
});
