/** Import of elementwise ONNX operators, activations, reductions, softmax and matrix products. */

import * as activation from '../../operators/activation.ts';
import * as arithmetic from '../../operators/arithmetic.ts';
import { argMax } from '../../operators/indexing.ts';
import * as logic from '../../operators/logic.ts';
import { gemm, matmul } from '../../operators/matmul.ts';
import type { ReductionOptions } from '../../operators/reduction.ts';
import * as reductions from '../../operators/reduction.ts';
import { reshape } from '../../operators/shape.ts';
import { logSoftmax, softmax } from '../../operators/softmax.ts';
import * as unary from '../../operators/unary.ts';
import { elementCount, normalizeAxis } from '../../types.ts';
import type { Value } from '../../value.ts';
import type { ImportNode, NodeImporter } from './node.ts';
import { dataTypeOf } from './tensor.ts';

const { add, mul, sub, scale, shift, clamp } = arithmetic;

function one(apply: (x: Value) => Value): NodeImporter {
  return (node) => apply(node.value(0));
}

function two(apply: (a: Value, b: Value) => Value): NodeImporter {
  return (node) => apply(node.value(0), node.value(1));
}

function many(apply: (a: Value, b: Value) => Value): NodeImporter {
  return (node) => node.inputs.map((_, i) => node.value(i)).reduce(apply);
}

function reduce(apply: (x: Value, options: ReductionOptions) => Value): NodeImporter {
  return (node) => {
    const x = node.value(0);
    const axes = node.numbers('axes', 1);
    if (!axes?.length && node.int('noop_with_empty_axes', 0) === 1) return x;
    return apply(x, { ...(axes?.length ? { axes } : {}), keepDimensions: node.int('keepdims', 1) === 1 });
  };
}

/** Limits of a Clip, from attributes (operator sets before 11) or inputs; no limit where none is given. */
function clip(node: ImportNode): Value {
  const low = node.known(1)?.data[0] ?? node.float('min', -Infinity);
  const high = node.known(2)?.data[0] ?? node.float('max', Infinity);
  const x = node.value(0);
  return low === -Infinity && high === Infinity ? x : clamp(x, low, high);
}

/** Softmax of operator sets before 13 works on the input as a matrix, cut at `axis`. */
function alongAxis(apply: (x: Value, axis: number) => Value): NodeImporter {
  return (node) => {
    const x = node.value(0);
    if (node.opset >= 13) return apply(x, node.int('axis', -1));
    const axis = normalizeAxis(node.int('axis', 1), x.shape.length);
    const rows = reshape(x, [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis))]);
    return reshape(apply(rows, 1), x.shape);
  };
}

/** MatMul with NumPy's rule for vectors: a row in front, a column behind, dropped again in the result. */
function multiply(node: ImportNode): Value {
  const [a, b] = [node.value(0), node.value(1)];
  const left = a.shape.length === 1 ? reshape(a, [1, a.shape[0]!]) : a;
  const right = b.shape.length === 1 ? reshape(b, [b.shape[0]!, 1]) : b;
  const product = matmul(left, right);
  const shape = [...product.shape];
  if (b.shape.length === 1) shape.pop();
  if (a.shape.length === 1) shape.splice(shape.length - (b.shape.length === 1 ? 1 : 2), 1);
  return reshape(product, shape);
}

function generalProduct(node: ImportNode): Value {
  const transposed = (name: string) => node.int(name, 0) !== 0;
  const product = scale(
    gemm(node.value(0), node.value(1), {
      transposeA: transposed('transA'),
      transposeB: transposed('transB'),
    }),
    node.float('alpha', 1),
  );
  const c = node.optional(2);
  return c === null ? product : add(product, scale(c, node.float('beta', 1)));
}

function power(node: ImportNode): Value {
  const exponent = node.known(1)!;
  if (exponent.data.length !== 1) throw new Error('expected one constant exponent');
  const x = node.value(0);
  return exponent.shape.length > x.shape.length
    ? reshape(unary.pow(x, exponent.data[0]!), exponent.shape)
    : unary.pow(x, exponent.data[0]!);
}

function largestIndex(node: ImportNode): Value {
  if (node.int('select_last_index', 0) !== 0) throw new Error('expected select_last_index 0');
  const x = node.value(0);
  const axis = normalizeAxis(node.int('axis', 0), x.shape.length);
  const index = argMax(x, axis);
  return node.int('keepdims', 1) === 1 ? reshape(index, x.shape.with(axis, 1)) : index;
}

function gelu(node: ImportNode): Value {
  const approximate = node.string('approximate', 'none');
  return approximate === 'tanh' ? activation.geluTanh(node.value(0)) : activation.gelu(node.value(0));
}

function prelu(node: ImportNode): Value {
  return activation.prelu(node.value(0), node.value(1));
}

/** lambda (x where positive, alpha (e^x - 1) elsewhere). */
function selu(node: ImportNode): Value {
  // float32 of the constants of Klambauer et al. 2017, as the ONNX specification gives them.
  const alpha = node.float('alpha', 1.6732632423543772);
  return scale(activation.elu(node.value(0), alpha), node.float('gamma', 1.0507009873554805));
}

const square = (x: Value) => mul(x, x);

/** Importers of elementwise operators, activations, reductions and products, by ONNX operator type. */
export const ELEMENTWISE_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  Add: two(add),
  Sub: two(sub),
  Mul: two(mul),
  Div: two(arithmetic.div),
  Min: many(arithmetic.minimum),
  Max: many(arithmetic.maximum),
  Sum: many(add),
  Mean: (node) => scale(node.inputs.map((_, i) => node.value(i)).reduce(add), 1 / node.inputs.length),
  Neg: one(unary.neg),
  Abs: one(unary.abs),
  Sign: one(unary.sign),
  Exp: one(unary.exp),
  Log: one(unary.log),
  Sqrt: one(unary.sqrt),
  Reciprocal: one(unary.reciprocal),
  Sin: one(unary.sin),
  Cos: one(unary.cos),
  Erf: one(unary.erf),
  Floor: one(unary.floor),
  Ceil: one(unary.ceil),
  Round: one(unary.round),
  Pow: power,
  Relu: one(activation.relu),
  LeakyRelu: (node) => activation.leakyRelu(node.value(0), node.float('alpha', 0.01)),
  PRelu: prelu,
  Elu: (node) => activation.elu(node.value(0), node.float('alpha', 1)),
  Selu: selu,
  Clip: clip,
  Sigmoid: one(unary.sigmoid),
  HardSigmoid: (node) =>
    clamp(shift(scale(node.value(0), node.float('alpha', 0.2)), node.float('beta', 0.5)), 0, 1),
  HardSwish: one(activation.hardSwish),
  Tanh: one(unary.tanh),
  Softplus: one(unary.softplus),
  Softsign: one((x) => arithmetic.div(x, shift(unary.abs(x), 1))),
  Mish: one((x) => mul(x, unary.tanh(unary.softplus(x)))),
  Gelu: gelu,
  QuickGelu: (node) => mul(node.value(0), unary.sigmoid(scale(node.value(0), node.float('alpha', 1.702)))),
  FastGelu: one(activation.geluTanh),
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis(logSoftmax),
  MatMul: multiply,
  Gemm: generalProduct,
  Equal: two(logic.equal),
  Greater: two(logic.greater),
  Less: two(logic.less),
  GreaterOrEqual: two(logic.greaterOrEqual),
  LessOrEqual: two(logic.lessOrEqual),
  And: two(logic.and),
  Or: two(logic.or),
  Not: one(logic.not),
  Where: (node) => logic.where(node.value(0), node.value(1), node.value(2)),
  Cast: (node) => logic.cast(node.value(0), dataTypeOf(node.int('to', 1))),
  CastLike: two((x, like) => logic.cast(x, like.dtype)),
  ArgMax: largestIndex,
  ReduceSum: reduce(reductions.reduceSum),
  ReduceMean: reduce(reductions.reduceMean),
  ReduceMax: reduce(reductions.reduceMax),
  ReduceMin: reduce(reductions.reduceMin),
  ReduceLogSumExp: reduce(reductions.reduceLogSumExp),
  ReduceL1: reduce((x, options) => reductions.reduceSum(unary.abs(x), options)),
  ReduceL2: reduce((x, options) => unary.sqrt(reductions.reduceSum(square(x), options))),
  ReduceSumSquare: reduce((x, options) => reductions.reduceSum(square(x), options)),
};
