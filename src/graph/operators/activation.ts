/** Activation functions of the models: SiLU, GELU, quick GELU, ReLU and its bounded and leaky forms. */

import { defineOperator, required } from '../operator.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { add, clamp, mul, scale, shift, sub } from './arithmetic.ts';
import { cast, greater } from './logic.ts';
import { defineUnary, erf, exp, neg, sigmoid } from './unary.ts';

/** max(x, 0); the gradient at 0 is 0. */
export const relu: (x: Value) => Value = defineUnary('relu', 'Relu', (_x, y, g) =>
  mul(g, cast(greater(y, scalar(0, y.dtype)), g.dtype)),
);

const siluOperator = defineOperator<{ readonly alpha: number }>({
  name: 'silu',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    const { alpha } = node.attributes;
    const { dtype } = node.outputs[0]!;
    const scaled =
      alpha === 1 ? inputs[0]! : context.node('Mul', [inputs[0]!, context.constant([alpha], [], dtype)])[0]!;
    const [gate] = context.node('Sigmoid', [scaled]);
    context.node('Mul', [inputs[0]!, gate!], {}, outputs);
  },
  gradient(node, cotangents) {
    // d/dx x s(ax) = s + a y (1 - s), with s = s(ax) and y = x s.
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const gate = sigmoid(scale(x, node.attributes.alpha));
    const slope = add(gate, scale(mul(y, sub(scalar(1, x.dtype), gate)), node.attributes.alpha));
    return [mul(cotangents[0]!, slope)];
  },
});

/** x * sigmoid(x), also called swish. */
export function silu(x: Value): Value {
  return siluOperator([x], { alpha: 1 })[0]!;
}

/** x * sigmoid(1.702 x), the approximation of GELU that OpenAI's CLIP uses. */
export function quickGelu(x: Value): Value {
  return siluOperator([x], { alpha: 1.702 })[0]!;
}

const geluOperator = defineOperator<null>({
  name: 'gelu',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs) {
    context.node('Gelu', inputs, { approximate: { string: 'none' } }, outputs);
  },
  gradient(node, cotangents) {
    // d/dx x Phi(x) = Phi(x) + x phi(x), with the normal distribution function Phi and density phi.
    const x = node.inputs[0]!;
    const distribution = scale(shift(erf(scale(x, Math.SQRT1_2)), 1), 0.5);
    const density = scale(exp(scale(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [mul(cotangents[0]!, add(distribution, mul(x, density)))];
  },
});

/** x Phi(x) with the exact normal distribution function Phi (not the tanh approximation). */
export function gelu(x: Value): Value {
  return geluOperator([x], null)[0]!;
}

const leakyReluOperator = defineOperator<{ readonly slope: number }>({
  name: 'leakyRelu',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    context.node('LeakyRelu', inputs, { alpha: { float: node.attributes.slope } }, outputs);
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    const positive = cast(greater(x, scalar(0, x.dtype)), x.dtype);
    const { slope } = node.attributes;
    return [mul(cotangents[0]!, shift(scale(positive, 1 - slope), slope))];
  },
});

/** x where positive, slope * x elsewhere. */
export function leakyRelu(x: Value, slope = 0.01): Value {
  return leakyReluOperator([x], { slope })[0]!;
}

/** x limited to 0..6. */
export function relu6(x: Value): Value {
  return clamp(x, 0, 6);
}

/** clamp(x/6 + 1/2, 0, 1), the piecewise-linear sigmoid of MobileNetV3 (ONNX alpha and beta may differ). */
export function hardSigmoid(x: Value, alpha = 1 / 6, beta = 0.5): Value {
  return clamp(shift(scale(x, alpha), beta), 0, 1);
}

/** x * hardSigmoid(x), the activation of MobileNetV3. */
export function hardSwish(x: Value): Value {
  return mul(x, hardSigmoid(x));
}

/** x * tanh-approximated normal distribution function: 0.5 x (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3))). */
export function geluTanh(x: Value): Value {
  // 0.5 (1 + tanh(u)) = sigmoid(2u)
  const inner = add(x, scale(mul(x, mul(x, x)), 0.044715));
  return mul(x, sigmoid(scale(inner, 2 * Math.sqrt(2 / Math.PI))));
}

/** Exponential linear unit: x where positive, alpha (e^x - 1) elsewhere. */
export function elu(x: Value, alpha = 1): Value {
  const positive = relu(x);
  const negative = neg(relu(neg(x)));
  return add(positive, scale(shift(exp(negative), -1), alpha));
}

/** Parametric ReLU: x where positive, slope * x elsewhere; `slope` broadcasts to x. */
export function prelu(x: Value, slope: Value): Value {
  return sub(relu(x), mul(slope, relu(neg(x))));
}
