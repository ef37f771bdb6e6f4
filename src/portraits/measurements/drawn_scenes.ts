/** Scenes drawn into memory, as a data set without files: for tests and small measurements. */

import { type CaptionOptions, sampleCaptionedScene } from '../captions.ts';
import type { Dataset } from '../dataset.ts';
import { CANVAS_SIZE, rasterizeScene } from '../draw.ts';

/** The first `count` captioned scenes of sequence `seed`, drawn when they are first asked for. */
export function drawnScenes(seed: number, count: number, captions: CaptionOptions = {}): Dataset {
  const drawn = new Map<number, ReturnType<typeof draw>>();
  function draw(index: number) {
    const { caption, scene, promptEntry, kind, explicit } = sampleCaptionedScene(seed, index, captions);
    const { pixels, faces } = rasterizeScene(scene, CANVAS_SIZE);
    return { pixels, record: { index, caption, kind, prompt: promptEntry?.prompt ?? null, explicit, faces } };
  }
  function at(index: number) {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`drawn scenes: index must be in 0..${count - 1}, got ${index}`);
    }
    let entry = drawn.get(index);
    if (entry === undefined) {
      entry = draw(index);
      drawn.set(index, entry);
    }
    return entry;
  }
  return {
    directory: `scenes of seed ${seed}`,
    count,
    size: CANVAS_SIZE,
    pixels: (index) => at(index).pixels,
    record: (index) => at(index).record,
  };
}
