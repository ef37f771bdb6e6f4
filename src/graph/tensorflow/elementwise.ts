/** Import of TensorFlow's elementwise operators, activations, softmax and matrix products. */

import * as activation from '../operators/activation.ts';
import * as arithmetic from '../operators/arithmetic.ts';
import { cast } from '../operators/logic.ts';
import { gemm, matmul } from '../operators/matmul.ts';
import { transposeLast } from '../operators/shape.ts';
import { logSoftmax, softmax } from '../operators/softmax.ts';
import * as unary from '../operators/unary.ts';
import type { DataType } from '../types.ts';
import type { Value } from '../value.ts';
import type { ModelNode, NodeImporter } from './node.ts';
import type { Tensor } from './tensor.ts';
import { elementwise, ofPlain, ofPlanes } from './tensor.ts';

const { add, sub, mul, div, minimum, maximum } = arithmetic;

const one =
  (apply: (x: Value) => Value): NodeImporter =>
  (node) =>
    elementwise([node.tensor(0)], apply);

const two =
  (apply: (a: Value, b: Value) => Value): NodeImporter =>
  (node) =>
    elementwise([node.tensor(0), node.tensor(1)], apply);

/** lambda (x where positive, alpha (e^x - 1) elsewhere), with the constants of Klambauer et al. 2017. */
function selu(x: Value): Value {
  return arithmetic.scale(activation.elu(x, 1.6732632423543772), 1.0507009873554805);
}

function alongChannels(apply: (x: Value, axis: number) => Value): NodeImporter {
  return (node) => {
    const x = node.tensor(0);
    return x.channelsFirst ? ofPlanes(apply(x.planes(), 1)) : ofPlain(apply(x.plain(), -1));
  };
}

/** The product of a node's first two inputs, each turned where the flag of that name says so, plus a bias [columns]. */
function product(node: ModelNode, turnA: string, turnB: string, bias: Value | null = null): Value {
  const [a, b] = [node.tensor(0).plain(), node.tensor(1).plain()];
  const [transposeA, transposeB] = [node.flag(turnA), node.flag(turnB)];
  if (a.shape.length === 2 && b.shape.length === 2) return gemm(a, b, { transposeA, transposeB, bias });
  const y = matmul(transposeA ? transposeLast(a) : a, transposeB ? transposeLast(b) : b);
  return bias === null ? y : add(y, bias);
}

const ACTIVATIONS: Readonly<Record<string, (x: Value) => Value>> = Object.freeze({
  Relu: activation.relu,
  Relu6: activation.relu6,
  Elu: activation.elu,
  Selu: selu,
  Sigmoid: unary.sigmoid,
  Tanh: unary.tanh,
  Softplus: unary.softplus,
});

/**
 * What a fused node does after its product: the activations of `fused_ops` but the bias, which {@link fusedBias} returns.
 * @throws Error naming a fused operator that is not known
 */
export function applyFused(node: ModelNode, product: Tensor): Tensor {
  return node.texts('fused_ops').reduce((x, name) => {
    if (name === 'BiasAdd') return x;
    if (name === 'LeakyRelu') {
      return elementwise([x], (value) => activation.leakyRelu(value, node.float('leakyrelu_alpha', 0.2)));
    }
    if (name === 'Prelu') return elementwise([x, node.tensor(3)], activation.prelu);
    const apply = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
    if (!apply) throw new Error(`the fused operator ${name} is not supported`);
    return elementwise([x], apply);
  }, product);
}

/** The bias [C] that a fused node adds to its product; null for none. */
export function fusedBias(node: ModelNode): Value | null {
  return node.texts('fused_ops').includes('BiasAdd') ? node.tensor(2).plain() : null;
}

function fusedProduct(node: ModelNode): Tensor {
  return applyFused(node, ofPlain(product(node, 'transpose_a', 'transpose_b', fusedBias(node))));
}

function power(node: ModelNode): Tensor {
  const exponents = node.numbers(1);
  if (exponents.length !== 1) throw new Error(`expected one constant exponent, received ${exponents.length}`);
  return elementwise([node.tensor(0)], (x) => unary.pow(x, exponents[0]!));
}

function clip(node: ModelNode): Tensor {
  const [low, high] = [node.numbers(1)[0]!, node.numbers(2)[0]!];
  return elementwise([node.tensor(0)], (x) => arithmetic.clamp(x, low, high));
}

const CAST_TYPES: Readonly<Record<string, DataType>> = Object.freeze({
  DT_FLOAT: 'float32',
  '1': 'float32',
  DT_INT32: 'int32',
  '3': 'int32',
  DT_BOOL: 'bool',
  '10': 'bool',
});

function convert(node: ModelNode): Tensor {
  const type = node.type('DstT', 'DT_FLOAT');
  const to = CAST_TYPES[type];
  if (to === undefined) throw new Error(`expected a cast to DT_FLOAT, DT_INT32 or DT_BOOL, received ${type}`);
  return elementwise([node.tensor(0)], (x) => cast(x, to));
}

/** Importers of elementwise operators, activations and products, by TensorFlow operator. */
export const ELEMENTWISE_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([name, apply]) => [name, one(apply)])),
  Add: two(add),
  AddV2: two(add),
  BiasAdd: two(add),
  AddN: (node) => elementwise(node.inputs, (...values) => values.reduce((a, b) => add(a, b))),
  Sub: two(sub),
  Mul: two(mul),
  Div: two(div),
  RealDiv: two(div),
  Minimum: two(minimum),
  Maximum: two(maximum),
  SquaredDifference: two((a, b) => {
    const difference = sub(a, b);
    return mul(difference, difference);
  }),
  Pow: power,
  ClipByValue: clip,
  Neg: one(unary.neg),
  Abs: one(unary.abs),
  Exp: one(unary.exp),
  Log: one(unary.log),
  Sqrt: one(unary.sqrt),
  Rsqrt: one((x) => unary.reciprocal(unary.sqrt(x))),
  Reciprocal: one(unary.reciprocal),
  Square: one((x) => mul(x, x)),
  LeakyRelu: (node) =>
    elementwise([node.tensor(0)], (x) => activation.leakyRelu(x, node.float('alpha', 0.2))),
  Prelu: two(activation.prelu),
  Softmax: alongChannels(softmax),
  LogSoftmax: alongChannels(logSoftmax),
  MatMul: (node) => ofPlain(product(node, 'transpose_a', 'transpose_b')),
  BatchMatMul: (node) => ofPlain(product(node, 'adj_x', 'adj_y')),
  BatchMatMulV2: (node) => ofPlain(product(node, 'adj_x', 'adj_y')),
  _FusedMatMul: fusedProduct,
  Cast: convert,
};
