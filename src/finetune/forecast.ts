/** What an iteration will take, foretold: the real code runs on a runtime that counts what graphs would do, and computes nothing. */

import type { EncodedModel, Executable, GraphWork, MachineRates, TensorData, Value } from '../graph/index.ts';
import { elementCount, graphWork, Runtime, secondsOf, topologicalOrder } from '../graph/index.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { IterationContext } from './iteration.ts';
import { computeIteration } from './iteration.ts';
import { initialAdapter } from './trained_part.ts';

/** A graph that was compiled, and how often it ran. */
export interface CountedGraph {
  /** Scopes of the networks in it, and what it computes. */
  readonly label: string;
  readonly work: GraphWork;
  readonly runs: number;
}

/** A runtime whose graphs return zeros at once. */
export class CountingRuntime extends Runtime {
  readonly #graphs = new Map<string, { label: string; work: GraphWork; runs: number }>();

  /** What ran since the last {@link forget}, in the order of compilation. */
  get counted(): readonly CountedGraph[] {
    return [...this.#graphs.values()].filter(({ runs }) => runs > 0);
  }

  /** Begins to count anew. */
  forget(): void {
    for (const graph of this.#graphs.values()) graph.runs = 0;
  }

  /** A graph that counts its runs. */
  override compile(outputs: Readonly<Record<string, Value>>): Promise<Executable> {
    const values = Object.values(outputs);
    const nodes = topologicalOrder(values);
    const inputs = nodes.flatMap((node) => {
      const attributes = node.attributes as { readonly kind?: string; readonly name?: string } | null;
      const { dtype, shape } = node.outputs[0]!;
      return node.operator.name === 'input' ? [{ name: attributes!.name!, dtype, shape }] : [];
    });
    const types = Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    const scopes = new Set(nodes.flatMap(({ scope }) => (scope === '' ? [] : [scope.split(/[./]/)[0]!])));
    const label = `${[...scopes].join('+') || 'small'}: ${types[0]?.name ?? 'nothing'}`;
    const key = `${label} ${types.map(({ name, shape }) => `${name}[${shape}]`).join()} ${inputs.length}`;
    const counted = this.#graphs.get(key) ?? { label, work: graphWork(values), runs: 0 };
    this.#graphs.set(key, counted);
    return Promise.resolve({
      inputs,
      outputs: types,
      run() {
        counted.runs++;
        return Promise.resolve(Object.fromEntries(types.map((type) => [type.name, zeros(type)])));
      },
      release: () => Promise.resolve(null),
    });
  }

  /** Encoded graphs can't be counted. */
  override load(_model: EncodedModel): Promise<Executable> {
    return Promise.reject(new Error('a counting runtime takes graphs as values'));
  }
}

function zeros({ dtype, shape }: Pick<Value, 'dtype' | 'shape'>): TensorData {
  const count = elementCount(shape);
  if (dtype === 'int64') return new BigInt64Array(count);
  if (dtype === 'int32') return new Int32Array(count);
  return new Float32Array(count);
}

/** What an iteration takes. */
export interface IterationForecast {
  /** Seconds of an iteration: of graphs, and of everything around them (measured). */
  readonly seconds: number;
  readonly around: number;
  /** Graphs with the seconds of all their runs, longest first. */
  readonly graphs: readonly (CountedGraph & { readonly seconds: number })[];
  /** Operations of all graphs. */
  readonly flops: number;
}

/**
 * Runs two iterations on a counting runtime, the first to build the graphs.
 * @param context an iteration's, prepared on `runtime`; images have no faces, so that detectors look for them at every scale
 * @param rates of one of the runs that go side by side
 * @param clock seconds so far; of the wall when left out
 */
export async function forecastIteration(
  context: Omit<IterationContext, 'differentiate'>,
  runtime: CountingRuntime,
  rates: MachineRates,
  clock: () => number = () => performance.now() / 1000,
): Promise<IterationForecast> {
  const { pipeline, settings } = context;
  const adapter = initialAdapter(pipeline.model, settings.part, settings.seed);
  const differentiate = new DirectFinetuning(pipeline);
  const steps = Math.round((settings.samplingSteps[0] + settings.samplingSteps[1]) / 2);
  const mean = { ...settings, samplingSteps: [steps, steps] as const };
  const iterate = (iteration: number) =>
    computeIteration({ ...context, settings: mean, differentiate }, iteration, adapter);
  await iterate(0);
  runtime.forget();
  const started = clock();
  await iterate(1);
  const around = clock() - started;
  const graphs = runtime.counted
    .map((graph) => ({
      ...graph,
      seconds: (graph.runs * secondsOf(graph.work, rates)) / pipeline.concurrency,
    }))
    .sort((a, b) => b.seconds - a.seconds);
  return {
    seconds: graphs.reduce((sum, { seconds }) => sum + seconds, around),
    around,
    graphs,
    flops: graphs.reduce((sum, { work, runs }) => sum + runs * (work.matrixFlops + work.convolutionFlops), 0),
  };
}
