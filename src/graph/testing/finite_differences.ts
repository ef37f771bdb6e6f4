/** Checks operators at concrete inputs: values against plain references, gradients against finite differences. */

import { gradient } from '../gradient.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { DataType, Shape, TensorData } from '../types.ts';
import { elementCount, isFloating } from '../types.ts';
import type { Value } from '../value.ts';
import { input } from '../value.ts';
import type { PlainTensor } from './plain.ts';
import type { Random } from './random.ts';
import { createRandom, uniform } from './random.ts';

/** One input of an {@link OperatorCase}. */
export interface CaseInput {
  readonly shape: Shape;
  readonly dtype?: DataType;
  /** Makes the elements; uniform in -1..1 when left out. Kinks must stay twice the step away from them. */
  readonly values?: (count: number, random: Random) => ArrayLike<number>;
  /** Whether the gradient with respect to it is checked; true for floating-point inputs when left out. */
  readonly differentiable?: boolean;
}

/** A function of tensors to check: one row of the table that every device runs. */
export interface OperatorCase {
  readonly name: string;
  readonly inputs: readonly (Shape | CaseInput)[];
  /** Builds the graph; integer and bool outputs are compared but carry no cotangent. */
  build(...inputs: Value[]): Value | readonly Value[];
  /** Elements of the (first) output computed by plain loops. */
  reference?(...inputs: PlainTensor[]): ArrayLike<number>;
  /** Distance between the points of the difference quotient; 1/32 when left out. */
  readonly step?: number;
  /** Largest error allowed, relative to the largest element of the tensor compared (at least 1); 3e-4 when left out. */
  readonly tolerance?: number;
}

/** What a check compared and how far apart the two sides were, relative as in {@link OperatorCase.tolerance}. */
export interface CheckReport {
  readonly valueError: number;
  readonly gradientError: number;
}

const DEFAULT_STEP = 1 / 32;
const DEFAULT_TOLERANCE = 3e-4;
/** Elements of one input whose difference quotients are taken; larger inputs are sampled. */
const ELEMENTS_PER_INPUT = 40;

/** A case made concrete: its graphs and their feeds. */
export interface BuiltCase {
  readonly specs: readonly CaseInput[];
  readonly outputs: readonly Value[];
  /** Inputs that are differentiated. */
  readonly inputs: readonly Value[];
  readonly gradients: readonly Value[];
  /** Graph inputs for the cotangents of the floating-point outputs. */
  readonly cotangentInputs: readonly Value[];
  /** Positions of the inputs that are differentiated. */
  readonly differentiated: readonly number[];
  readonly feeds: Readonly<Record<string, TensorData>>;
  readonly cotangents: Readonly<Record<string, TensorData>>;
}

function isCaseInput(spec: Shape | CaseInput): spec is CaseInput {
  return 'shape' in spec;
}

function toTyped(values: ArrayLike<number>, dtype: DataType): TensorData {
  if (dtype === 'int64') return BigInt64Array.from(Array.from(values), (value) => BigInt(value));
  if (dtype === 'int32') return Int32Array.from(values);
  if (dtype === 'bool' || dtype === 'uint8') return Uint8Array.from(values);
  return Float32Array.from(values);
}

/** The graph of a case, its gradient graph with cotangents as inputs, and concrete elements for all of them; names start with `prefix`. */
export function buildCase(testCase: OperatorCase, prefix = ''): BuiltCase {
  const random = createRandom(testCase.name);
  const specs = testCase.inputs.map((spec) => (isCaseInput(spec) ? spec : { shape: spec }));
  const values = specs.map((spec, i) => input(`${prefix}x${i}`, spec.shape, spec.dtype ?? 'float32'));
  const built = testCase.build(...values);
  const outputs = 'node' in built ? [built] : built;
  const feeds: Record<string, TensorData> = {};
  specs.forEach((spec, i) => {
    const elements = (spec.values ?? uniform(-1, 1))(elementCount(spec.shape), random);
    feeds[`${prefix}x${i}`] = toTyped(elements, spec.dtype ?? 'float32');
  });
  const differentiated = values
    .map((_, i) => i)
    .filter((i) => (specs[i]!.differentiable ?? true) && isFloating(values[i]!.dtype));
  const floating = outputs.filter((output) => isFloating(output.dtype));
  const cotangents: Record<string, TensorData> = {};
  const cotangentInputs = floating.map((output) => {
    const position = outputs.indexOf(output);
    cotangents[`${prefix}g${position}`] = Float32Array.from(
      uniform(-1, 1)(elementCount(output.shape), random),
    );
    return input(`${prefix}g${position}`, output.shape);
  });
  const gradients =
    floating.length === 0
      ? []
      : gradient(
          floating,
          cotangentInputs,
          differentiated.map((i) => values[i]!),
        );
  const inputs = differentiated.map((i) => values[i]!);
  return { specs, outputs, inputs, gradients, cotangentInputs, differentiated, feeds, cotangents };
}

function named(prefix: string, values: readonly Value[]): Record<string, Value> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}${i}`, value]));
}

/** Feeds that the graph of `names` asks for. */
function pick(
  feeds: Readonly<Record<string, TensorData>>,
  inputs: readonly { readonly name: string }[],
): Record<string, TensorData> {
  return Object.fromEntries(inputs.map(({ name }) => [name, feeds[name]!]));
}

function largest(data: ArrayLike<number | bigint>): number {
  let result = 0;
  for (let i = 0; i < data.length; i++) result = Math.max(result, Math.abs(Number(data[i])));
  return result;
}

/**
 * Largest difference of two tensors relative to the larger one's largest element, at least 1.
 * @throws Error when the lengths differ or an element is not finite
 */
export function relativeError(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): number {
  if (actual.length !== expected.length)
    throw new Error(`expected ${expected.length} elements, received ${actual.length}`);
  const size = Math.max(1, largest(expected));
  let error = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(Number(actual[i]) - Number(expected[i]));
    if (!Number.isFinite(difference))
      throw new Error(`element ${i}: received ${actual[i]}, expected ${expected[i]}`);
    error = Math.max(error, difference / size);
  }
  return error;
}

/** Sum over outputs of cotangent times output, in float64: the function whose derivative is taken. */
function project(
  results: Readonly<Record<string, TensorData>>,
  cotangents: Readonly<Record<string, TensorData>>,
): number {
  let sum = 0;
  for (const [name, cotangent] of Object.entries(cotangents)) {
    const output = results[`y${name.slice(1)}`]!;
    for (let i = 0; i < output.length; i++) sum += Number(cotangent[i]) * Number(output[i]);
  }
  return sum;
}

function fail(testCase: OperatorCase, what: string, error: number, tolerance: number): never {
  throw new Error(
    `${testCase.name}: ${what} off by ${error.toExponential(2)}, expected at most ${tolerance.toExponential(2)}`,
  );
}

/**
 * Runs a case on a device: values against the reference, and each element of each gradient against the fourth-order
 * central difference (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h)))/12h of f = sum of cotangent times output.
 * @throws Error naming the case, the tensor and the error when one passes the tolerance
 */
export async function checkCase(runtime: Runtime, testCase: OperatorCase): Promise<CheckReport> {
  const built = buildCase(testCase);
  const tolerance = testCase.tolerance ?? DEFAULT_TOLERANCE;
  const forward = await runtime.compile(named('y', built.outputs));
  const evaluate: Evaluate = (feeds) => forward.run(pick(feeds, forward.inputs));
  const valueError = await checkValues(built, testCase, tolerance, evaluate);
  let gradientError = 0;
  if (built.gradients.length > 0) {
    const backward = await runtime.compile(named('d', built.gradients));
    const results = await backward.run(pick({ ...built.feeds, ...built.cotangents }, backward.inputs));
    await backward.release();
    // All runs are asked for at once: the worker never waits for this thread.
    const checks = built.differentiated.flatMap((position, k) =>
      sampled(results[`d${k}`]!.length, testCase.name).map(async (element) => {
        const step = testCase.step ?? DEFAULT_STEP;
        const expected = await differenceQuotient(built, position, element, step, evaluate);
        return { position, element, known: results[`d${k}`] as Float32Array, expected };
      }),
    );
    for (const { position, element, known, expected } of await Promise.all(checks)) {
      const error = Math.abs(known[element]! - expected) / Math.max(1, largest(known));
      gradientError = Math.max(gradientError, error);
      if (!(error <= tolerance)) {
        const what = `gradient of input ${position}, element ${element}: received ${known[element]}, expected ${expected},`;
        fail(testCase, what, error, tolerance);
      }
    }
  }
  await forward.release();
  return { valueError, gradientError };
}

type Evaluate = (feeds: Readonly<Record<string, TensorData>>) => Promise<Record<string, TensorData>>;

async function checkValues(
  built: BuiltCase,
  testCase: OperatorCase,
  tolerance: number,
  evaluate: Evaluate,
): Promise<number> {
  if (!testCase.reference) return 0;
  const results = await evaluate(built.feeds);
  const plain = built.specs.map((spec, i) => ({
    shape: spec.shape,
    data: Array.from(built.feeds[`x${i}`] as ArrayLike<number | bigint>, Number),
  }));
  const error = relativeError(results.y0!, testCase.reference(...plain));
  if (error > tolerance) fail(testCase, 'value', error, tolerance);
  return error;
}

function sampled(count: number, seed: string): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= ELEMENTS_PER_INPUT) return all;
  const random = createRandom(seed);
  for (let i = 0; i < ELEMENTS_PER_INPUT; i++) {
    const j = i + Math.floor(random() * (count - i));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.slice(0, ELEMENTS_PER_INPUT);
}

interface Point {
  readonly point: number;
  readonly value: number;
}

async function differenceQuotient(
  built: BuiltCase,
  position: number,
  element: number,
  step: number,
  evaluate: Evaluate,
): Promise<number> {
  const name = `x${position}`;
  const at = async (offset: number): Promise<Point> => {
    const moved = Float32Array.from(built.feeds[name] as Float32Array);
    moved[element]! += offset;
    return {
      point: moved[element]!,
      value: project(await evaluate({ ...built.feeds, [name]: moved }), built.cotangents),
    };
  };
  const points = await Promise.all([at(step), at(-step), at(2 * step), at(-2 * step)]);
  const [a, b, c, d] = points as [Point, Point, Point, Point];
  // The quotients use the points as float32 rounded them.
  const near = (a.value - b.value) / (a.point - b.point);
  const far = (c.value - d.value) / (c.point - d.point);
  return (4 * near - far) / 3;
}

/**
 * Runs cases on two devices, all of them as one graph, and compares values and gradients.
 * @throws Error listing each case on which the devices differ by more than its tolerance
 */
export async function compareCases(
  runtime: Runtime,
  trusted: Runtime,
  cases: readonly OperatorCase[],
): Promise<CheckReport> {
  const built = cases.map((testCase, i) => buildCase(testCase, `${i}.`));
  const outputs: Record<string, Value> = {};
  for (const [i, { outputs: values, gradients }] of built.entries()) {
    Object.assign(outputs, named(`${i}.y`, values), named(`${i}.d`, gradients));
  }
  const feeds = Object.assign({}, ...built.flatMap((one) => [one.feeds, one.cotangents]));
  const evaluate = async (on: Runtime) => {
    const executable = await on.compile(outputs);
    const results = await executable.run(pick(feeds, executable.inputs));
    await executable.release();
    return results;
  };
  const [actual, expected] = await Promise.all([evaluate(runtime), evaluate(trusted)]);
  let [valueError, gradientError] = [0, 0];
  const faults: string[] = [];
  for (const name of Object.keys(outputs)) {
    const { name: title, tolerance = DEFAULT_TOLERANCE } = cases[Number.parseInt(name, 10)]!;
    const isValue = name.includes('.y');
    try {
      const error = relativeError(actual[name]!, expected[name]!);
      if (isValue) valueError = Math.max(valueError, error);
      else gradientError = Math.max(gradientError, error);
      if (error > tolerance) throw new Error(`off by ${error.toExponential(2)}`);
    } catch (error) {
      faults.push(`${title}: ${isValue ? 'value' : 'gradient'} ${name}: ${(error as Error).message}`);
    }
  }
  if (faults.length > 0)
    throw new Error(`${runtime.device} differs from ${trusted.device}:\n${faults.join('\n')}`);
  return { valueError, gradientError };
}
