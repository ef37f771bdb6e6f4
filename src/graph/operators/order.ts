/** Order of execution: a value that is handed on only once others have been computed. */

import { defineOperator, required } from '../operator.ts';
import type { Value } from '../value.ts';

const afterOperator = defineOperator<null>({
  name: 'after',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    const { shape } = node.outputs[0]!;
    let dimensions = context.constant(shape, [shape.length], 'int64');
    // Elsewhere than on processors, whole numbers would travel to and from the device.
    for (const other of context.device === 'cpu' ? inputs.slice(1) : []) {
      const [size] = context.node('Size', [other]);
      const [nothing] = context.node('Mul', [size!, context.constant([0], [], 'int64')]);
      [dimensions] = context.node('Add', [dimensions, nothing!]) as [string];
    }
    context.node('Reshape', [inputs[0]!, dimensions], { allowzero: { int: 1 } }, outputs);
  },
  gradient: (_node, cotangents) => [cotangents[0]],
});

/**
 * `value` itself, which whatever takes it from here finds only after `others` have been computed. ONNX Runtime goes through a
 * graph depth first, from an output back to its inputs: what else is to be made of the values on the way waits until the
 * last, and they all wait for it in memory. On processors the shape that a Reshape reads depends on the others, which
 * copies nothing; on other devices the order is left to the runtime.
 */
export function after(value: Value, others: readonly Value[]): Value {
  return others.length === 0 ? value : afterOperator([value, ...others], null)[0]!;
}
