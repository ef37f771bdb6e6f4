/** Mixed precision: a float32 graph rewritten so that its products, and what lies between them, are computed in float16. */

import { cast } from './operators/logic.ts';
import { reshape } from './operators/shape.ts';
import type { Value } from './value.ts';
import { applyOperator, leafOf, scope, topologicalOrder } from './value.ts';

/** Operators that are computed in float16: graphics cards have units for them, and they add up in float32. */
const PRODUCTS: ReadonlySet<string> = new Set(['conv2d', 'convTranspose2d', 'matmul', 'gemm', 'attention']);

/** Operators that stay in float16 where a value is in it. All others, norms and exponentials among them, return to float32. */
const FOLLOWING: ReadonlySet<string> = new Set([
  'add',
  'sub',
  'mul',
  'neg',
  'silu',
  'gelu',
  'relu',
  'leakyRelu',
  'clamp',
  'reshape',
  'transpose',
  'expand',
  'slice',
  'pad',
  'concat',
  'split',
  'resizeNearest',
  'after',
]);

/** Norms work in float32, and hand on float16. */
const NORMS: ReadonlySet<string> = new Set(['layerNorm', 'groupNorm']);

/**
 * The same function in mixed precision. Inputs stay what they are, float32 ones are converted inside; so gradients by them are
 * float32, and flow through float16 on their way. Weights stored in float16 are read as they are.
 * @param outputs float32 values
 * @returns float32 values of the same shapes, good to about three digits
 */
export function inMixedPrecision(outputs: readonly Value[]): Value[] {
  const rewritten = new Map<Value, Value>();
  const now = (value: Value): Value => rewritten.get(value) ?? value;
  for (const node of topologicalOrder(outputs)) {
    if (leafOf(node.outputs[0]!) !== null) continue;
    const { name } = node.operator;
    const inputs = node.inputs.map((value) => value && now(value));
    const meetsHalf = inputs.some((value) => value?.dtype === 'float16' && !isStored(value));
    const inHalf = PRODUCTS.has(name) || (FOLLOWING.has(name) && meetsHalf);
    const convert = (value: Value) => {
      if (inHalf && value.dtype === 'float32') return toHalf(value);
      // A conversion of stored weights to float32 is one already.
      const keeps = inHalf || value.dtype !== 'float16' || name === 'cast';
      return keeps ? value : cast(value, 'float32');
    };
    const results = scope(node.scope, () =>
      applyOperator(
        node.operator,
        inputs.map((value) => value && convert(value)),
        node.attributes,
      ),
    );
    node.outputs.forEach((value, i) => {
      const result = results[i]!;
      const handsOnHalf = NORMS.has(name) && i === 0 && meetsHalf;
      rewritten.set(value, handsOnHalf ? cast(result, 'float16') : result);
    });
  }
  return outputs.map((value) => cast(now(value), value.dtype));
}

/** Whether a value is a weight as its file holds it. */
function isStored(value: Value): boolean {
  return leafOf(value)?.kind === 'weight';
}

/** A float32 value in float16: of one that was converted from float16, as it was before. */
function toHalf(value: Value): Value {
  const { name } = value.node.operator;
  const source = value.node.inputs[0];
  if (name === 'cast' && source?.dtype === 'float16') return source;
  if (name === 'reshape' && source) return reshape(toHalf(source), value.shape);
  return cast(value, 'float16');
}
