/** What a finetuning run minimises: any differentiable loss of generated images, fairness among others. */

/** Images of one prompt, or part of them, with those that the frozen model draws from the same noise. */
export interface ObjectiveRequest {
  /** Planes [count, 3, height, width] in -1..1. */
  readonly images: Float32Array;
  /** The frozen model's images, same shape. */
  readonly originals: Float32Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly prompt: string;
  /** Number of the batch in the run, from 0; -1 - i for validation prompt i. Seeds whatever the objective draws. */
  readonly iteration: number;
}

/** Value and gradient of the loss. */
export interface ObjectiveResult {
  readonly loss: number;
  /** Parts of the loss and further numbers to log, by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** dL/d images [count, 3, height, width]. */
  readonly gradient: Float32Array;
}

/** How many images of one prompt were found in each class, and what shares they are to have. */
export interface ClassCounts {
  /** What is counted, for example an attribute; '' for the whole target. */
  readonly name: string;
  /** Group of prompts whose target this is; none where all prompts have one target. */
  readonly group?: string;
  readonly counts: readonly number[];
  /** Shares of the target, one a class. */
  readonly shares: readonly number[];
}

/** Numbers of the images of one prompt without gradient. */
export interface Measurement {
  /** Averaged over prompts by validation. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What validation takes distances to the target and their intervals from; none when left out. */
  readonly counts?: readonly ClassCounts[];
}

/** Measures the images of one prompt, part after part. */
export interface Measuring {
  add(part: ObjectiveRequest): Promise<void>;
  /** The measurement of everything added. */
  finish(): Measurement;
}

/** The loss of part of a batch, with the divisors and targets of the whole one: parts add up to the batch. */
export interface PartLoss {
  /** Loss, metrics (added up over the parts) and gradient of the part's images [count, 3, height, width]. */
  differentiate(images: Float32Array): Promise<ObjectiveResult>;
}

/**
 * A loss that couples the images of a batch, taken part by part: all parts are seen first, what they are asked for is
 * decided over the whole batch, then they are differentiated one by one.
 */
export interface StagedObjective<Seen> {
  /** What the decision needs to know of a part, and its own differentiation: not the images. */
  see(part: ObjectiveRequest): Promise<Seen>;
  /** The losses of the parts, in their order, and metrics of the whole batch. */
  decide(
    parts: readonly Seen[],
    iteration: number,
  ): { readonly parts: readonly PartLoss[]; readonly metrics: Readonly<Record<string, number>> };
}

/** A differentiable loss of generated images. */
export interface ImageObjective {
  /** Loss, metrics and gradient of a batch of images of one prompt. */
  evaluate(request: ObjectiveRequest): Promise<ObjectiveResult>;
  /** Numbers of a batch without gradient: what validation averages over its prompts. */
  measure(request: ObjectiveRequest): Promise<Readonly<Record<string, number>>>;
  /** Begins to measure the images of one validation prompt; where it is left out, what `measure` says of parts is averaged. */
  measuring?(): Measuring;
  /** The same loss part by part; runs in micro-batches need it. */
  // biome-ignore lint/suspicious/noExplicitAny: what was seen is the objective's own affair
  readonly staged?: StagedObjective<any>;
}

/** Begins to measure the images of one prompt with an objective. */
export function beginMeasuring(objective: ImageObjective): Measuring {
  if (objective.measuring !== undefined) return objective.measuring();
  const sums: Record<string, number> = {};
  let images = 0;
  return {
    async add(part) {
      const measured = await objective.measure(part);
      images += part.count;
      for (const [name, value] of Object.entries(measured)) {
        sums[name] = (sums[name] ?? 0) + value * part.count;
      }
    },
    finish: () => ({
      metrics: Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / images])),
    }),
  };
}
