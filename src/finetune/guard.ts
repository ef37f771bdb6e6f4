/**
 * The guard against reward hacking: at validation, models that take no part in the loss measure whether images still show what
 * they showed before and whether faces still look real.
 */

import type { BatchedGraph, FaceDetector, ImageSize, RealFaces } from '../faces/index.ts';
import {
  alignmentGather,
  compileBatched,
  DEFAULT_BATCH_SIZE,
  faceRealism,
  graphsBySize,
  selectFace,
} from '../faces/index.ts';
import type { ImageEncoder } from '../fairness/index.ts';
import { createImageEncodings } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import type { ObjectiveRequest } from './objective.ts';

/** Models of the guard, none of which is in the loss. */
export interface GuardModels {
  /** Whose similarity to the frozen model's images is the semantics. */
  readonly encoders: readonly ImageEncoder[];
  /** Whose similarity to the nearest real face is the realism; null for none. */
  readonly face: RealFaces | null;
  /** Finds the faces. */
  readonly detector: FaceDetector;
}

/** Measures images part by part. */
export interface RunGuard {
  /** Begins a validation. */
  begin(): GuardMeasuring;
  /** What is suspicious about a validation's numbers. */
  warnings(measured: Readonly<Record<string, number>>): string[];
  /** Gives the memory of its graphs back. */
  release(): Promise<void>;
}

/** The measuring of one validation. */
export interface GuardMeasuring {
  add(part: ObjectiveRequest): Promise<void>;
  /**
   * `guard semantics NAME` (mean cosine to the frozen model's images, 1 for an untrained model), `guard realism` and `guard
   * realism originals` (mean cosine of faces to the nearest real one; NaN without faces), each where there is a model for it.
   */
  finish(): Record<string, number>;
}

/** Name of the realism of the frozen model's faces. */
const ORIGINAL_REALISM = 'guard realism originals';

/** How far similarities may fall below those of the frozen model's images before it is warned of. */
export interface GuardLimits {
  readonly semantics: number;
  readonly realism: number;
}

/**
 * Prepares a guard; `batchSize` images run at once.
 * @throws Error when the bank holds embeddings of another length than the embedder's
 */
export function createGuard(
  runtime: Runtime,
  { encoders, face, detector }: GuardModels,
  limits: GuardLimits,
  batchSize: number = DEFAULT_BATCH_SIZE,
): RunGuard {
  if (face !== null && face.bank.dimension !== face.embedder.dimension) {
    throw new Error(
      `guard.bank: expected embeddings of ${face.embedder.dimension} numbers, as the guard's embedder makes them, ` +
        `received ${face.bank.dimension} (${face.bank.path})`,
    );
  }
  const encodings = createImageEncodings(runtime, encoders, batchSize);
  const realism = graphsBySize((size) => compileRealism(runtime, face!, batchSize, size));
  const realismOf = async (part: ObjectiveRequest, data: Float32Array): Promise<number[]> => {
    if (face === null) return [];
    const images = { data, count: part.count, height: part.height, width: part.width };
    const faces = (await detector.detect(images)).map((found) => selectFace(found, images).face);
    const { indices, weights, aligned } = alignmentGather(faces, images, face.embedder.side);
    const graph = await realism.at(images);
    const { cosines } = await graph.run(images.count, { images: data, indices, weights });
    return [...(cosines as Float32Array)].filter((_, image) => aligned[image] === 1);
  };
  return {
    begin() {
      const cosines = new Map(encoders.map(({ name }) => [name, [] as number[]]));
      const real: number[] = [];
      const originals: number[] = [];
      return {
        async add(part) {
          const { count, height, width } = part;
          const now = await encodings.encode({ data: part.images, count, height, width });
          const before = await encodings.encode({ data: part.originals, count, height, width });
          for (const { name, dimension } of encoders) {
            for (let image = 0; image < count; image++) {
              const row = (rows: Float32Array) => rows.subarray(image * dimension, (image + 1) * dimension);
              cosines.get(name)!.push(cosine(row(now[name]!), row(before[name]!)));
            }
          }
          real.push(...(await realismOf(part, part.images)));
          originals.push(...(await realismOf(part, part.originals)));
        },
        finish() {
          const measured: Record<string, number> = {};
          for (const [name, values] of cosines) measured[`guard semantics ${name}`] = mean(values);
          if (face !== null) {
            measured['guard realism'] = mean(real);
            measured[ORIGINAL_REALISM] = mean(originals);
          }
          return measured;
        },
      };
    },
    warnings(measured) {
      const fallen = (name: string, value: number, before: number, limit: number) =>
        before - value > limit
          ? [
              `${name} fell by ${(before - value).toFixed(3)} to ${value.toFixed(3)} (more than ${limit}): ` +
                'the loss may be won by other means than who is drawn',
            ]
          : [];
      return Object.entries(measured).flatMap(([name, value]) => {
        if (name.startsWith('guard semantics '))
          return fallen(name.slice('guard '.length), value, 1, limits.semantics);
        if (name !== 'guard realism') return [];
        const before = measured[ORIGINAL_REALISM]!;
        if (Number.isNaN(value) && !Number.isNaN(before))
          return ['realism can no longer be measured: no image shows a face'];
        return fallen('realism', value, before, limits.realism);
      });
    },
    async release() {
      await encodings.release();
      await realism.release();
    },
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Cosine of each image's aligned face to the nearest one of the bank: [batch]. */
function compileRealism(
  runtime: Runtime,
  real: RealFaces,
  batchSize: number,
  { height, width }: ImageSize,
): Promise<BatchedGraph> {
  const samples = 4 * real.embedder.side ** 2;
  return compileBatched(runtime, batchSize, (batch) => {
    const images = input('images', [batch, 3, height, width]);
    const indices = input('indices', [batch, samples], 'int32');
    return { cosines: faceRealism(real, images, indices, input('weights', [batch, samples])) };
  });
}
