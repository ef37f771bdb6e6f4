/** Models on weight files: graph weights that stay in their files, and the check that a file belongs to the model. */

import type { DataType, Value } from '../graph/building.ts';
import { cast, constant, weight } from '../graph/building.ts';
import type { SafetensorsDtype } from '../weights/safetensors_header.ts';
import type { WeightSource } from '../weights/weight_source.ts';
import { trackUse } from '../weights/weight_tracking.ts';
import type { Parameters } from './parameters.ts';
import { parametersFrom } from './parameters.ts';

/** Weights that published files carry though a model (or the half of it that one builds) has no use for them. */
export const UNUSED_WEIGHTS = Object.freeze({
  /** Position indices that older versions of transformers saved as a buffer. */
  clipText: [/(^|\.)position_ids$/],
  /** The same, and the text half of a whole CLIP model. */
  clipVision: [/(^|\.)position_ids$/, /^text_model\./, /^text_projection\./, /^logit_scale$/],
  /** What stands in for hidden patches while DINOv2 is trained. */
  dinov2: [/(^|\.)mask_token$/],
  /** The other half of the autoencoder. */
  vaeEncoder: [/^decoder\./, /^post_quant_conv\./],
  vaeDecoder: [/^encoder\./, /^quant_conv\./],
});

/**
 * Parameters that a weight source supplies, all as float32 values. F32, F16 and BF16 tensors of files stay where they are:
 * the graph refers to their bytes, and 16-bit floats are converted inside the graph. Other types, and tensors in memory, are
 * read and become constants of the graph.
 * @throws (on look-up) Error naming the source and the parameter when it is missing or of another shape
 */
export function fileParameters(source: WeightSource): Parameters {
  const known = new Map<string, Value>();
  return parametersFrom((name, shape) => {
    const { shape: stored } = source.info(name);
    if (stored.join() !== shape.join()) {
      throw new Error(
        `${source.description}: parameter ${name}: expected shape [${shape}], received [${stored}]`,
      );
    }
    const value = known.get(name) ?? load(source, name);
    known.set(name, value);
    return value;
  }, source.has);
}

/** Element types that the graph reads where they lie. */
const MAPPED: Readonly<Partial<Record<SafetensorsDtype, DataType>>> = Object.freeze({
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
});

function load(source: WeightSource, name: string): Value {
  const { dtype, shape, file, offset, length } = source.info(name);
  const mapped = MAPPED[dtype];
  if (file === null || mapped === undefined) return constant(source.readFloat32(name), shape);
  return cast(weight(name, shape, mapped, { file, offset, length }), 'float32');
}

/**
 * Builds a model on a weight source and checks that the two belong together.
 * @param build makes the graph from the parameters
 * @param unused left-over names that are no fault, such as those of {@link UNUSED_WEIGHTS}
 * @returns what `build` returns
 * @throws Error naming the first missing or wrongly shaped parameter, or listing the tensors that `build` did not use
 */
export function buildOnWeights<T>(
  source: WeightSource,
  build: (parameters: Parameters) => T,
  unused: readonly RegExp[] = [],
): T {
  const tracked = trackUse(source);
  const built = build(fileParameters(tracked));
  tracked.assertAllUsed(unused);
  return built;
}
