/** Checking a model against one case: builds its graph with every parameter as an input, differentiates, runs, compares. */

import type { Runtime, TensorData, Value } from '../../graph/index.ts';
import { gradient, input } from '../../graph/index.ts';
import type { WeightSource } from '../../weights/weight_source.ts';
import type { Parameters } from '../parameters.ts';
import { trainableParameters } from '../parameters.ts';
import type { CaseResult, Comparison } from './comparison.ts';
import { compareTensor } from './comparison.ts';
import type { Fixture } from './fixture.ts';

/** A scalar function of the model whose gradients a case holds: sum(output * cotangent). */
export interface Derivative {
  /** What stands before the name of an input or a parameter in the names of the gradients, for example `grad.`. */
  readonly prefix: string;
  readonly output: Value;
  readonly cotangent: Value;
  /** Differentiated values that are not parameters, by the names that follow the prefix. */
  readonly inputs: Readonly<Record<string, Value>>;
  /** Whether the case's `grad_norms.json` belongs to this function. */
  readonly norms?: boolean;
}

/** The graph of a case. */
export interface CaseGraph {
  /** Values by the names of the golden tensors; others are left out. */
  readonly outputs: Readonly<Record<string, Value>>;
  readonly derivatives?: readonly Derivative[];
}

/** What a case's graph is built from. */
export interface CaseInputs {
  readonly parameters: Parameters;
  /** Every parameter asked for so far. */
  readonly values: ReadonlyMap<string, Value>;
  /** Whether the case has a tensor of this name. */
  has(tensor: string): boolean;
  /** A tensor of the case as a graph input. */
  feed(tensor: string): Value;
}

/** Allowed relative error of a gradient's norm, and absolute error as a share of the largest norm in the file. */
const NORM_TOLERANCE = Object.freeze({ relative: 3e-5, ofLargest: 1e-6 });

const PARAMETER = 'parameter:';

/**
 * Runs one case. Tensors that the case expects and the graph lacks count as infinitely wrong.
 * @param weights the model's parameters; multiplied as the case's metadata note says
 * @param build makes the model's graph
 */
export async function runModelCase(
  runtime: Runtime,
  fixture: Fixture,
  weights: Pick<WeightSource, 'has' | 'readFloat32'>,
  build: (inputs: CaseInputs) => CaseGraph,
): Promise<CaseResult> {
  const feeds: Record<string, TensorData> = {};
  const fed = new Map<string, Value>();
  const { parameters, values } = trainableParameters(PARAMETER, (name) => weights.has(name));
  const feed = (name: string) => {
    const known = fed.get(name);
    if (known !== undefined) return known;
    const { shape, dtype, data } = fixture.tensor(name);
    feeds[name] = data;
    const value = input(name, shape, dtype);
    fed.set(name, value);
    return value;
  };
  const graph = build({ parameters, values, feed, has: fixture.has });
  const outputs: Record<string, Value> = {};
  for (const [name, value] of Object.entries(graph.outputs)) {
    if (fixture.tolerances.has(name)) outputs[`value:${name}`] = value;
  }
  for (const derivative of graph.derivatives ?? []) {
    for (const [name, value] of differentiate(fixture, derivative, values)) outputs[`value:${name}`] = value;
  }
  const executable = await runtime.compile(outputs);
  for (const { name } of executable.inputs) {
    if (!name.startsWith(PARAMETER)) continue;
    feeds[name] = scaled(weights.readFloat32(name.slice(PARAMETER.length)), name, fixture);
  }
  for (const name of fed.keys())
    if (!executable.inputs.some((each) => each.name === name)) delete feeds[name];
  const results = await executable.run(feeds);
  await executable.release();
  return { name: fixture.name, comparisons: compareAll(fixture, results, graph.derivatives ?? []) };
}

/** The gradients that the case holds values or norms of, under the names of the golden tensors. */
function differentiate(
  fixture: Fixture,
  { prefix, output, cotangent, inputs, norms = false }: Derivative,
  parameters: ReadonlyMap<string, Value>,
): [string, Value][] {
  const wanted = new Map<string, Value>();
  for (const [name, value] of [...Object.entries(inputs), ...parameters]) {
    const inNorms = norms && fixture.gradientNorms !== null && Object.hasOwn(fixture.gradientNorms, name);
    if (fixture.tolerances.has(`${prefix}${name}`) || inNorms) wanted.set(`${prefix}${name}`, value);
  }
  const gradients = gradient([output], [cotangent], [...wanted.values()]);
  return [...wanted.keys()].map((name, i) => [name, gradients[i]!]);
}

/** Parameters of the `small` cases are multiplied by the factor in the note, but for those of norms. */
function scaled(data: Float32Array, name: string, { metadata }: Fixture): Float32Array {
  if (!metadata.note?.startsWith('multiply')) return data;
  const factor = /does not contain "norm" by ([0-9.]+)/.exec(metadata.note)?.[1];
  if (factor === undefined) throw new Error(`parity: cannot read the note ${JSON.stringify(metadata.note)}`);
  return name.includes('norm') ? data : data.map((element) => element * Number(factor));
}

function compareAll(
  fixture: Fixture,
  results: Readonly<Record<string, TensorData>>,
  derivatives: readonly Derivative[],
): Comparison[] {
  const comparisons: Comparison[] = [];
  for (const [tensor, tolerance] of fixture.tolerances) {
    const got = results[`value:${tensor}`];
    const expected = fixture.tensor(tensor).data;
    comparisons.push(
      got === undefined
        ? { tensor: `${tensor} (not computed)`, error: Number.POSITIVE_INFINITY, tolerance }
        : compareTensor(tensor, got, expected, tolerance),
    );
  }
  const norms = Object.entries(fixture.gradientNorms ?? {});
  const prefix = derivatives.find((derivative) => derivative.norms)?.prefix;
  const largest = Math.max(0, ...norms.map(([, norm]) => norm ?? 0));
  for (const [parameter, norm] of norms) {
    const got = prefix === undefined ? undefined : results[`value:${prefix}${parameter}`];
    const expected = norm ?? 0;
    const length = got === undefined ? (norm === null ? 0 : Number.NaN) : euclideanNorm(got);
    const error = Number.isNaN(length) ? Number.POSITIVE_INFINITY : Math.abs(length - expected);
    const tolerance = NORM_TOLERANCE.relative * expected + NORM_TOLERANCE.ofLargest * largest;
    comparisons.push({ tensor: `norm of ${parameter}`, error, tolerance });
  }
  return comparisons;
}

function euclideanNorm(data: TensorData): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += Number(data[i]) ** 2;
  return Math.sqrt(sum);
}
