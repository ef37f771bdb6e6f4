/** Initial values of parameters, chosen by name and shape, from the seeded generator. */

import { gaussianNoise } from '../diffusion/noise.ts';
import type { Shape, Value } from '../graph/index.ts';
import { elementCount } from '../graph/index.ts';

/** How to fill one parameter: zeros, ones, a number, or normal with a standard deviation (`fan-in`: 1/sqrt(inputs)). */
export type Initialization =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'fan-in'; readonly gain: number };

/** The first rule whose pattern matches a parameter's name decides. */
export type InitializationRules = readonly (readonly [RegExp, Initialization])[];

const ZERO: Initialization = { kind: 'constant', value: 0 };
const ONE: Initialization = { kind: 'constant', value: 1 };

function defaultRule(name: string, shape: Shape): Initialization {
  if (name.endsWith('bias')) return ZERO;
  if (shape.length === 1 && name.endsWith('weight')) return ONE;
  if (shape.length <= 1) return ZERO;
  return { kind: 'fan-in', gain: 1 };
}

function inputsOf(shape: Shape): number {
  return elementCount(shape.slice(1));
}

/**
 * Initial values of `values`.
 * Biases are 0, norm weights 1, everything else normal with deviation gain/sqrt(inputs), unless a rule says otherwise.
 * @param values parameters by name, as collected while building the model
 * @returns float32 data by name; the numbers of a parameter depend only on `seed`, its name and its shape
 */
export function initializeParameters(
  values: ReadonlyMap<string, Value>,
  seed: number,
  rules: InitializationRules = [],
): Map<string, Float32Array> {
  const result = new Map<string, Float32Array>();
  for (const [name, { shape }] of values) {
    const rule = rules.find(([pattern]) => pattern.test(name))?.[1] ?? defaultRule(name, shape);
    const count = elementCount(shape);
    if (rule.kind === 'constant') {
      result.set(name, new Float32Array(count).fill(rule.value));
      continue;
    }
    const deviation = rule.kind === 'normal' ? rule.deviation : rule.gain / Math.sqrt(inputsOf(shape));
    const data = gaussianNoise({ seed, stream: `initialize ${name}` }, count);
    for (let i = 0; i < count; i++) data[i]! *= deviation;
    result.set(name, data);
  }
  return result;
}
