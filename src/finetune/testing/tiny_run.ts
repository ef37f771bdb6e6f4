/** A run that is small enough for tests: the brightness of images as the loss, and settings for a tiny model. */

import type { ImageObjective } from '../objective.ts';
import type { FinetuneSettings } from '../settings.ts';

/** The mean of values. */
export function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean value of all pixels: darker is better. */
export const brightness: ImageObjective = {
  async evaluate({ images, prompt }) {
    const gradient = new Float32Array(images.length).fill(1 / images.length);
    return { loss: mean(images), metrics: { letters: prompt.length }, gradient };
  },
  async measure({ images, originals }) {
    return { brightness: mean(images), original: mean(originals) };
  },
};

/** Settings of a run on a tiny model, without its folder. */
export const settings: Omit<FinetuneSettings, 'directory'> = {
  part: { kind: 'text-encoder', rank: 2 },
  seed: 3,
  iterations: 6,
  imagesPerPrompt: 2,
  prompts: ['a nurse', 'a photo of a pilot'],
  negativePrompt: '',
  samplingSteps: [2, 3],
  guidanceScale: 3,
  learningRate: 0.02,
  weightDecay: 0.01,
  betas: [0.9, 0.999],
  clipNorm: 1,
  averageDecay: 0.5,
  gradient: { mode: 'adjusted', branches: 'both' },
  validation: { every: 3, prompts: ['a cook'], imagesPerPrompt: 2, samplingSteps: 2 },
  checkpointEvery: 2,
  digest: 'abc',
};
