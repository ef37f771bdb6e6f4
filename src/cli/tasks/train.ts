/** The server's tasks `finetune`, `evaluate` and `estimate`: the commands' own work, told to a server. */

import path from 'node:path';
import { performance } from 'node:perf_hooks';
import type { TaskContext } from '../../cluster/worker_process.ts';
import { preparedCost, prepareFinetune } from '../../finetune/assemble.ts';
import type { FinetuneConfig } from '../../finetune/config.ts';
import { finetuneConfigSchema } from '../../finetune/config.ts';
import { secondsPerUnit } from '../../finetune/cost.ts';
import type { Runtime } from '../../graph/index.ts';
import type {
  EstimateInput,
  EstimateOutput,
  EvaluateInput,
  EvaluateOutput,
  FinetuneInput,
  FinetuneOutput,
  TrainEvent,
} from '../../server/jobs/tasks.ts';
import { evaluateConfigSchema } from '../evaluate_config.ts';
import { runEvaluation } from '../evaluation.ts';
import { promptsOf, runFinetune } from '../finetuning.ts';
import type { Progress } from '../progress.ts';

/** Fine-tunes, from the run folder's newest checkpoint if there is one. */
export async function finetuneTask(
  runtime: Runtime,
  input: FinetuneInput,
  { signal, emit }: TaskContext<TrainEvent>,
): Promise<FinetuneOutput> {
  const started = performance.now();
  const { progress } = teller(emit);
  const outcome = await runFinetune(runtime, configOf(input), progress, signal);
  return {
    iterations: outcome.iterations,
    seconds: (performance.now() - started) / 1000,
    adapterFile: path.basename(outcome.adapterFile),
    bestFile: outcome.bestFile && path.basename(outcome.bestFile),
    stopped: outcome.stopped,
  };
}

/** Evaluates; images that were judged before an interruption are not drawn again. */
export async function evaluateTask(
  runtime: Runtime,
  { request, modelFolder, adapterFile, output, prompts }: EvaluateInput,
  { signal, emit }: TaskContext<TrainEvent>,
): Promise<EvaluateOutput> {
  const started = performance.now();
  const { kind: _kind, model: _model, adapter: _adapter, ...rest } = request;
  const config = evaluateConfigSchema.parse({
    ...rest,
    model: modelFolder,
    ...(adapterFile === null ? {} : { adapter: adapterFile }),
    output,
    prompts: { ...rest.prompts, test: prompts },
  });
  const { progress, outcomes } = teller(emit);
  await runEvaluation(runtime, config, progress, signal);
  const reports = outcomes.map(({ command: _command, group = null, report, ...summary }) => ({
    group: group as string | null,
    folder: path
      .relative(output, path.dirname(report as string))
      .split(path.sep)
      .join('/'),
    summary,
  }));
  return { seconds: (performance.now() - started) / 1000, reports };
}

/** Says what a fine-tuning will cost, from its graphs and the pace of one sampling step. */
export async function estimateTask(runtime: Runtime, input: EstimateInput): Promise<EstimateOutput> {
  const config = configOf(input);
  const prepared = prepareFinetune(config, {
    runtime,
    modelDirectory: input.modelFolder,
    ...promptsOf(config),
    scores: [],
  });
  try {
    const { images, units, parameters, peakBytes } = preparedCost(prepared);
    const { iterations } = prepared.settings;
    const secondsPerIteration = units * (await secondsPerUnit(prepared.pipeline, prepared.settings));
    return {
      iterations,
      imagesPerIteration: images,
      unitsPerIteration: units,
      parameters,
      peakBytes,
      secondsPerIteration,
      seconds: secondsPerIteration * iterations,
    };
  } finally {
    await prepared.guard?.release();
    await prepared.loss.release();
    await prepared.pipeline.release();
  }
}

function configOf({ request, modelFolder, output, trainPrompts }: FinetuneInput): FinetuneConfig {
  const { kind: _kind, name: _name, model: _model, ...rest } = request;
  return finetuneConfigSchema.parse({
    ...rest,
    model: modelFolder,
    output,
    prompts: { ...rest.prompts, train: trainPrompts },
  });
}

/** A progress that tells the server, and the outcomes that the work gave it. */
function teller(emit: (event: TrainEvent) => void): {
  progress: Progress;
  outcomes: readonly Readonly<Record<string, unknown>>[];
} {
  const outcomes: Readonly<Record<string, unknown>>[] = [];
  return {
    progress: {
      update: (progress) =>
        emit({ type: 'progress', progress: { ...progress, numbers: { ...progress.numbers } } }),
      measured: (soFar) => emit({ type: 'measured', soFar }),
      saved: () => emit({ type: 'saved' }),
      note: (text) => emit({ type: 'note', text }),
      result: (outcome) => {
        outcomes.push(outcome);
      },
      finish() {},
    },
    outcomes,
  };
}
