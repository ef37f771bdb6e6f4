/** What a finetuning run minimises: any differentiable loss of generated images, fairness among others. */

/** Images of one iteration, with those that the frozen model draws from the same noise and prompt. */
export interface ObjectiveRequest {
  /** Planes [count, 3, height, width] in -1..1. */
  readonly images: Float32Array;
  /** The frozen model's images, same shape. */
  readonly originals: Float32Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly prompt: string;
  /** Number of the iteration, from 0; -1 - i for validation prompt i. Seeds whatever the objective draws. */
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

/** A differentiable loss of generated images. */
export interface ImageObjective {
  /** Loss, metrics and gradient of a batch of images of one prompt. */
  evaluate(request: ObjectiveRequest): Promise<ObjectiveResult>;
  /** Numbers of a batch without gradient: what validation averages over its prompts. */
  measure(request: ObjectiveRequest): Promise<Readonly<Record<string, number>>>;
}
