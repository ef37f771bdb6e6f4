/** In which precision the large networks of a model compute: float32, or float16 on devices that are made for it. */

import type { Value } from '../graph/building.ts';
import { inMixedPrecision } from '../graph/building.ts';

/**
 * - `float32`: everything.
 * - `float16`: the products of denoiser and decoder, and what lies between them; norms, guidance, the text encoder, inputs,
 *   outputs and adapters stay in float32. Twice as fast or more on graphics cards, with half the memory; slower on processors,
 *   which convert to and fro. Gradients need a scale of the loss.
 */
export type Precision = 'float32' | 'float16';

/** A model, or whatever else says in which precision it computes. */
export interface HasPrecision {
  readonly precision: Precision;
}

/** The same model in another precision. */
export function withPrecision<Model extends HasPrecision>(model: Model, precision: Precision): Model {
  return Object.freeze({ ...model, precision });
}

/** A network's float32 output as the model's precision has it computed. */
export function computedIn({ precision }: HasPrecision, output: Value): Value {
  return precision === 'float16' ? inMixedPrecision([output])[0]! : output;
}
