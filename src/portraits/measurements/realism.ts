/** What a change of a picture costs in the realism of its face, and whether an embedder can be deceived by another one's gradient. */

import { gaussianNoise } from '../../diffusion/noise.ts';
import type { RealFaces } from '../../faces/index.ts';
import { alignmentGather, compileBatched, faceRealism } from '../../faces/index.ts';
import type { Runtime } from '../../graph/index.ts';
import { constant, gradient, input } from '../../graph/index.ts';
import type { Dataset } from '../dataset.ts';
import type { SingleFace } from '../training/faces.ts';
import { singleFaces } from '../training/faces.ts';
import { imageBatch } from '../training/vae.ts';
import type { PictureChange } from './changes.ts';
import { softFaults } from './changes.ts';

/** What pictures are measured as: as drawn, and with a change each. */
export const REALISM_CHANGES = [
  ...(['none', 'faults', 'autoencoder', 'noise'] as const),
  ...(['blended', 'deceiving'] as const),
];

type Change = (typeof REALISM_CHANGES)[number];

/** Faces and their pictures by change. */
export interface ChangedFaces {
  readonly faces: readonly SingleFace[];
  /** Side of the pictures in pixels. */
  readonly side: number;
  /** Pictures [faces, 3, side, side] in -1..1. */
  readonly pictures: Readonly<Record<Change, Float32Array>>;
}

/** Half the resolution at worst, and noise: what a face may suffer and still look real. */
const FAULTS = Object.freeze({ resolution: 0.5, noise: 0.1 });
/** Deviation of the noise of `noise`, in units of -1..1. */
const NOISE = 0.4;
/** Pictures move in steps of this, no farther than the limit, along the sign of the gradient (Madry et al. 2018). */
const DECEPTION = Object.freeze({ steps: 15, step: 0.02, limit: 0.15 });
const BATCH = 32;

/**
 * Changes the first `count` single portraits of a data set. *Blended* pictures are the mean of two, so that no real face is in
 * them; *deceiving* ones are these, moved to look real to `deceived`, the embedder of the loss.
 */
export async function changedFaces(
  runtime: Runtime,
  deceived: RealFaces,
  autoencoder: PictureChange,
  data: Dataset,
  count: number,
): Promise<ChangedFaces> {
  const faces = singleFaces(data).slice(0, count);
  const side = data.size;
  const none = imageBatch(
    data,
    faces.map(({ index }) => index),
  );
  const blended = blend(none, faces.length);
  const pictures = {
    none,
    faults: await softFaults(side, FAULTS.resolution, FAULTS.noise)(none, faces.length),
    autoencoder: await autoencoder(none, faces.length),
    noise: withNoise(none),
    blended,
    deceiving: await deceive(runtime, deceived, faces, side, blended),
  };
  return { faces, side, pictures };
}

/** Mean cosine to the nearest real face by change, the true landmarks given. */
export async function measureRealism(
  runtime: Runtime,
  judge: RealFaces,
  { faces, side, pictures }: ChangedFaces,
): Promise<Readonly<Record<Change, number>>> {
  const graph = await compileBatched(runtime, BATCH, (batch) => ({
    cosines: realismOf(judge, side, batch).cosines,
  }));
  const places = alignmentOfAll(judge, faces, side);
  const realism: Partial<Record<Change, number>> = {};
  for (const name of REALISM_CHANGES) {
    const { cosines } = await graph.run(faces.length, { images: pictures[name], ...places });
    realism[name] = (cosines as Float32Array).reduce((sum, cosine) => sum + cosine / faces.length, 0);
  }
  await graph.release();
  return realism as Record<Change, number>;
}

function alignmentOfAll({ embedder }: RealFaces, faces: readonly SingleFace[], side: number) {
  const { indices, weights } = alignmentGather(
    faces.map(({ face }) => face),
    { height: side, width: side },
    embedder.side,
  );
  return { indices, weights };
}

/** Images [batch, 3, side, side] and the cosines [batch] of their faces to the nearest real ones. */
function realismOf(real: RealFaces, side: number, batch: number) {
  const samples = 4 * real.embedder.side ** 2;
  const images = input('images', [batch, 3, side, side]);
  const indices = input('indices', [batch, samples], 'int32');
  return { images, cosines: faceRealism(real, images, indices, input('weights', [batch, samples])) };
}

/** The mean of each picture and the next one. */
function blend(pictures: Float32Array, count: number): Float32Array {
  const length = pictures.length / count;
  return pictures.map((value, i) => (value + pictures[(i + length) % pictures.length]!) / 2);
}

function withNoise(pictures: Float32Array): Float32Array {
  const noise = gaussianNoise({ seed: 0, stream: 'measured realism' }, pictures.length);
  return pictures.map((value, i) => clamp(value + NOISE * noise[i]!, -1, 1));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** Moves pictures until their faces look as real to an embedder as the limit allows. */
async function deceive(
  runtime: Runtime,
  real: RealFaces,
  faces: readonly SingleFace[],
  side: number,
  start: Float32Array,
): Promise<Float32Array> {
  const graph = await compileBatched(runtime, BATCH, (batch) => {
    const { images, cosines } = realismOf(real, side, batch);
    const ones = constant(new Float32Array(batch).fill(1), [batch]);
    return { slopes: gradient([cosines], [ones], [images])[0]! };
  });
  const places = alignmentOfAll(real, faces, side);
  let pictures = start;
  for (let step = 0; step < DECEPTION.steps; step++) {
    const { slopes } = await graph.run(faces.length, { images: pictures, ...places });
    pictures = pictures.map((value, i) => {
      const moved = value + DECEPTION.step * Math.sign(Number(slopes![i]));
      return clamp(clamp(moved, start[i]! - DECEPTION.limit, start[i]! + DECEPTION.limit), -1, 1);
    });
  }
  await graph.release();
  return pictures;
}
