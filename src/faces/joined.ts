/** Several classifiers as one: each looks at its own part of a common crop. */

import type { Value } from '../graph/index.ts';
import { constant, matmul, shift } from '../graph/index.ts';
import type { AttributeModel } from './attributes.ts';
import { axisCropMatrix, FACE_CROP_MARGIN } from './crop.ts';

/** The middle of square crops, `share` of their side, resized to `to` pixels; black beyond their edges. */
function middle(crops: Value, share: number, to: number): Value {
  const from = crops.shape[2]!;
  if (share === 1 && from === to) return crops;
  const length = share * from;
  const rows = axisCropMatrix(from, to, (from - length) / 2, length);
  const columns = Float32Array.from(rows, (_, i) => rows[(i % to) * from + Math.floor(i / to)]!);
  return shift(
    matmul(matmul(constant(rows, [to, from]), shift(crops, 1)), constant(columns, [from, to])),
    -1,
  );
}

/**
 * One classifier of all attributes of several. Its crops are as wide as the widest one's, and as fine as the finest one's.
 * @throws Error when two of them know an attribute of the same name, or there is none
 */
export function joinAttributeModels(models: readonly AttributeModel[]): AttributeModel {
  if (models.length === 1) return models[0]!;
  const attributes = models.flatMap((model) => model.attributes);
  const twice = attributes.find(({ name }, i) => attributes.findIndex((other) => other.name === name) !== i);
  if (twice || models.length === 0) {
    throw new Error(
      `classifiers: expected each attribute once, received ${twice ? `${twice.name} twice` : 'none'}`,
    );
  }
  const marginOf = (model: AttributeModel) => model.margin ?? FACE_CROP_MARGIN;
  const margin = Math.max(...models.map(marginOf));
  const side = Math.max(...models.map((model) => Math.ceil((model.side * margin) / marginOf(model))));
  return Object.freeze({
    attributes: Object.freeze(attributes),
    side,
    margin,
    logits: (crops: Value) =>
      models.flatMap((model) => model.logits(middle(crops, marginOf(model) / margin, model.side))),
  });
}
