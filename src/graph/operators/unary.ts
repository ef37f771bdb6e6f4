/** Elementwise functions of one value: powers, exponentials, trigonometry, rounding. */

import { defineOperator, required } from '../operator.ts';
import { isFloating } from '../types.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { div, mul, scale, shift, sub } from './arithmetic.ts';

type UnaryRule = ((x: Value, y: Value, cotangent: Value) => Value) | 'zero';

/**
 * Defines an elementwise function that is one ONNX node.
 * @param opType the ONNX operator
 * @param rule cotangent of x from x, y = f(x) and the cotangent of y; `'zero'` where f is locally constant
 */
export function defineUnary(name: string, opType: string, rule: UnaryRule): (x: Value) => Value {
  const apply = defineOperator<null>({
    name,
    infer(inputs) {
      const x = required(inputs, 0);
      if (x.dtype === 'bool') throw new Error('expected a number, received bool');
      if (rule !== 'zero' && !isFloating(x.dtype) && name !== 'neg' && name !== 'abs') {
        throw new Error(`expected a floating-point value, received ${x.dtype}`);
      }
      return [x];
    },
    emit(context, inputs, outputs) {
      context.node(opType, inputs, {}, outputs);
    },
    gradient:
      rule === 'zero'
        ? 'zero'
        : (node, cotangents) => [rule(node.inputs[0]!, node.outputs[0]!, cotangents[0]!)],
  });
  return (x) => apply([x], null)[0]!;
}

/** -x. */
export const neg: (x: Value) => Value = defineUnary('neg', 'Neg', (_x, _y, g) => neg(g));
/** |x|; the gradient at 0 is 0. */
export const abs: (x: Value) => Value = defineUnary('abs', 'Abs', (x, _y, g) => mul(g, sign(x)));
/** Sign of x: -1, 0 or 1. */
export const sign: (x: Value) => Value = defineUnary('sign', 'Sign', 'zero');
/** e^x. */
export const exp: (x: Value) => Value = defineUnary('exp', 'Exp', (_x, y, g) => mul(g, y));
/** Natural logarithm of x. */
export const log: (x: Value) => Value = defineUnary('log', 'Log', (x, _y, g) => div(g, x));
/** Square root of x. */
export const sqrt: (x: Value) => Value = defineUnary('sqrt', 'Sqrt', (_x, y, g) => div(scale(g, 0.5), y));
/** 1/x. */
export const reciprocal: (x: Value) => Value = defineUnary('reciprocal', 'Reciprocal', (_x, y, g) =>
  neg(mul(g, mul(y, y))),
);
/** Sine of x in radians. */
export const sin: (x: Value) => Value = defineUnary('sin', 'Sin', (x, _y, g) => mul(g, cos(x)));
/** Cosine of x in radians. */
export const cos: (x: Value) => Value = defineUnary('cos', 'Cos', (x, _y, g) => neg(mul(g, sin(x))));
/** Gauss error function. */
export const erf: (x: Value) => Value = defineUnary('erf', 'Erf', (x, _y, g) =>
  mul(g, scale(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
);
/** Hyperbolic tangent. */
export const tanh: (x: Value) => Value = defineUnary('tanh', 'Tanh', (_x, y, g) =>
  mul(g, sub(scalar(1, y.dtype), mul(y, y))),
);
/** Logistic function 1/(1+e^-x). */
export const sigmoid: (x: Value) => Value = defineUnary('sigmoid', 'Sigmoid', (_x, y, g) =>
  mul(g, mul(y, sub(scalar(1, y.dtype), y))),
);
/** log(1+e^x). */
export const softplus: (x: Value) => Value = defineUnary('softplus', 'Softplus', (x, _y, g) =>
  mul(g, sigmoid(x)),
);
/** Largest integer not above x. */
export const floor: (x: Value) => Value = defineUnary('floor', 'Floor', 'zero');
/** Smallest integer not below x. */
export const ceil: (x: Value) => Value = defineUnary('ceil', 'Ceil', 'zero');
/** Nearest integer, halves to even. */
export const round: (x: Value) => Value = defineUnary('round', 'Round', 'zero');

const powOperator = defineOperator<{ readonly exponent: number }>({
  name: 'pow',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    const exponent = context.constant([node.attributes.exponent], [], node.outputs[0]!.dtype);
    context.node('Pow', [inputs[0]!, exponent], {}, outputs);
  },
  gradient(node, cotangents) {
    const { exponent } = node.attributes;
    return [mul(cotangents[0]!, scale(pow(node.inputs[0]!, exponent - 1), exponent))];
  },
});

/** x to the constant power `exponent`. */
export function pow(x: Value, exponent: number): Value {
  if (exponent === 0) return shift(scale(x, 0), 1);
  if (exponent === 1) return x;
  if (exponent === 2) return mul(x, x);
  return powOperator([x], { exponent })[0]!;
}
