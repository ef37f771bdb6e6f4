/** Objectives beyond fairness: any differentiable score of an image, alone or added to other objectives. */

import { compileBatched, graphsBySize } from '../faces/index.ts';
import type { Runtime, Value } from '../graph/index.ts';
import { constant, gradient, input, reshape } from '../graph/index.ts';
import type { ImageObjective, ObjectiveRequest, StagedObjective } from './objective.ts';
import { beginMeasuring } from './objective.ts';

/** A differentiable score of images. */
export interface ImageScore {
  /** Its name in logs. */
  readonly name: string;
  /**
   * Scores images of any size.
   * @param images [N, 3, height, width] in -1..1
   * @returns one number an image, [N] or [N, 1]
   */
  score(images: Value): Value;
}

/** How a score counts. */
export interface ScoreOptions {
  /** Factor on the score's mean in the loss; 1 when left out. */
  readonly weight?: number;
  /** Whether high or low scores are wanted; `maximise` when left out. */
  readonly direction?: 'maximise' | 'minimise';
  /** Images that are scored at once. */
  readonly batchSize?: number;
}

/** A score as an objective, with graphs of its own. */
export interface ScoreObjective extends ImageObjective {
  /** Gives the graphs' memory back. */
  release(): Promise<void>;
}

/**
 * The loss -weight * mean score (maximise) or weight * mean score (minimise), and its gradient at the images.
 * @throws Error, when it first runs, as {@link checkScore} does
 */
export function scoreObjective(
  runtime: Runtime,
  { name, score }: ImageScore,
  { weight = 1, direction = 'maximise', batchSize = 8 }: ScoreOptions = {},
): ScoreObjective {
  const sign = direction === 'maximise' ? -1 : 1;
  const graphs = (differentiable: boolean) =>
    graphsBySize(({ height, width }) =>
      compileBatched(runtime, batchSize, (batch) =>
        scoreGraph({ name, score }, [batch, 3, height, width], differentiable),
      ),
    );
  const [products, scores] = [graphs(true), graphs(false)];
  const total = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0);
  const mean = (values: Float32Array) => total(values) / values.length;
  /** The part of some images in the mean over `divisor` of them. */
  const differentiate = async (part: Omit<ObjectiveRequest, 'originals'>, divisor: number) => {
    const { images, count, height, width } = part;
    const graph = await products.at({ height, width });
    const found = await graph.run(count, { images });
    const value = total(found.scores as Float32Array) / divisor;
    const factor = (sign * weight) / divisor;
    const slope = found.slope as Float32Array;
    return {
      loss: sign * weight * value,
      metrics: { [`score ${name}`]: value },
      gradient: slope.map((each) => each * factor),
    };
  };
  const staged: StagedObjective<Omit<ObjectiveRequest, 'images' | 'originals'>> = {
    see: async ({ images: _images, originals: _originals, ...part }) => part,
    decide(parts) {
      const all = parts.reduce((sum, { count }) => sum + count, 0);
      const losses = parts.map((part) => ({
        differentiate: (images: Float32Array) => differentiate({ ...part, images }, all),
      }));
      return { parts: losses, metrics: {} };
    },
  };
  return {
    evaluate: (request) => differentiate(request, request.count),
    staged,
    async measure({ images, count, height, width }) {
      const graph = await scores.at({ height, width });
      const found = await graph.run(count, { images });
      return { [`score ${name}`]: mean(found.scores as Float32Array) };
    },
    async release() {
      await products.release();
      await scores.release();
    },
  };
}

/** The graph of a score, and of its slope at the images. */
function scoreGraph(
  { name, score }: ImageScore,
  shape: readonly [batch: number, channels: 3, height: number, width: number],
  differentiable: boolean,
): Record<string, Value> {
  const [batch] = shape;
  const images = input('images', shape);
  const scores = onePerImage(name, score(images), batch);
  if (!differentiable) return { scores };
  const [slope] = gradient([scores], [constant(new Float32Array(batch).fill(1), [batch])], [images]);
  return { scores, slope: slope! };
}

/**
 * Builds the graphs of a score once, without running them.
 * @param side of the images, in pixels
 * @throws Error naming the score, when it throws, is not one float32 number an image, or cannot be differentiated
 */
export function checkScore(score: ImageScore, side: number): void {
  try {
    scoreGraph(score, [2, 3, side, side], true);
  } catch (error) {
    const { message } = error as Error;
    const where = `objective ${score.name}: `;
    throw new Error(message.startsWith(where) ? message : `${where}${message}`, { cause: error });
  }
}

function onePerImage(name: string, scores: Value, batch: number): Value {
  const { shape, dtype } = scores;
  const fits = shape[0] === batch && shape.slice(1).every((size) => size === 1) && dtype === 'float32';
  if (fits) return shape.length === 1 ? scores : reshape(scores, [batch]);
  throw new Error(
    `objective ${name}: expected one float32 number an image, [${batch}] or [${batch}, 1], received ${dtype} [${shape}]`,
  );
}

/** The sum of objectives: losses and gradients add up; metrics are put together. In parts if all of them can. */
export function addObjectives(objectives: readonly ImageObjective[]): ImageObjective {
  if (objectives.length === 1) return objectives[0]!;
  return {
    async evaluate(request: ObjectiveRequest) {
      let loss = 0;
      const metrics: Record<string, number> = {};
      const total = new Float32Array(request.images.length);
      for (const objective of objectives) {
        const result = await objective.evaluate(request);
        loss += result.loss;
        Object.assign(metrics, result.metrics);
        for (let i = 0; i < total.length; i++) total[i]! += result.gradient[i]!;
      }
      return { loss, metrics, gradient: total };
    },
    async measure(request: ObjectiveRequest) {
      const metrics: Record<string, number> = {};
      for (const objective of objectives) Object.assign(metrics, await objective.measure(request));
      return metrics;
    },
    measuring() {
      const begun = objectives.map(beginMeasuring);
      return {
        async add(part) {
          for (const each of begun) await each.add(part);
        },
        finish() {
          const finished = begun.map((each) => each.finish());
          return {
            metrics: Object.assign({}, ...finished.map(({ metrics }) => metrics)),
            counts: finished.flatMap(({ counts = [] }) => counts),
          };
        },
      };
    },
    ...stagedSum(objectives),
  };
}

function stagedSum(objectives: readonly ImageObjective[]): Pick<ImageObjective, 'staged'> {
  const all = objectives.flatMap(({ staged }) => (staged ? [staged] : []));
  if (all.length < objectives.length) return {};
  const staged: StagedObjective<readonly unknown[]> = {
    async see(part) {
      const seen: unknown[] = [];
      for (const each of all) seen.push(await each.see(part));
      return seen;
    },
    decide(parts, iteration) {
      const decided = all.map((each, i) =>
        each.decide(
          parts.map((seen) => seen[i]),
          iteration,
        ),
      );
      const losses = parts.map((_, part) => ({
        async differentiate(images: Float32Array) {
          let loss = 0;
          const metrics: Record<string, number> = {};
          const gradient = new Float32Array(images.length);
          for (const each of decided) {
            const result = await each.parts[part]!.differentiate(images);
            loss += result.loss;
            Object.assign(metrics, result.metrics);
            for (let i = 0; i < gradient.length; i++) gradient[i]! += result.gradient[i]!;
          }
          return { loss, metrics, gradient };
        },
      }));
      return { parts: losses, metrics: Object.assign({}, ...decided.map(({ metrics }) => metrics)) };
    },
  };
  return { staged };
}
