/** `evenhand align`: adapts soft tokens to one prompt until a batch of its images follows a target. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import type { AttributeResult } from '../../evaluate/attribute_result.ts';
import { comparisonReport } from '../../evaluate/comparison_report.ts';
import type { Evaluation } from '../../evaluate/evaluate.ts';
import { measureEvaluation } from '../../evaluate/evaluate.ts';
import { writeReport } from '../../evaluate/report.ts';
import type { TargetDistribution } from '../../fairness/index.ts';
import { targetInWords } from '../../fairness/index.ts';
import { overriddenAttributes } from '../../fairness/overridden_attributes.ts';
import type { FinetuneConfig } from '../../finetune/config.ts';
import { configuredTarget, finetuneConfigSchema } from '../../finetune/config.ts';
import type { RunInspection } from '../../finetune/run.ts';
import type { Runtime } from '../../graph/index.ts';
import { writeFileAtomically, writeFully, writeTextAtomically } from '../../weights/atomic_file.ts';
import { cancellable } from '../cancellation.ts';
import { loadConfig } from '../config.ts';
import { asUsage, UsageError } from '../errors.ts';
import type { FinetuneOutcome } from '../finetuning.ts';
import { readCurve, runFinetune } from '../finetuning.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import type { MeasuringBench, MeasuringPlan } from '../measuring.ts';
import { describeSetup, measure, measuredTargets, openMeasuringBench } from '../measuring.ts';
import { resolveModel } from '../models.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  deviceOption,
  integer,
  jsonOption,
  memoryOption,
  numberFrom,
  outputFolder,
  setOption,
  threadsOption,
} from '../options.ts';
import { packagePath } from '../package.ts';
import type { Progress } from '../progress.ts';
import { createProgress, formatDuration } from '../progress.ts';

interface AlignOptions extends RuntimeChoice {
  readonly target: string;
  readonly model?: string;
  readonly output: string;
  readonly images: number;
  readonly iterations: number;
  readonly every: number;
  readonly tolerance?: number;
  readonly steps: number;
  readonly seed: number;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

const HELP = `
A first batch shows whom the model draws for the prompt. Then five soft tokens in front of the prompt are adapted, and
the batch is drawn again from the same noise every few iterations, until its shares are as close to the target as those
of a model exactly on target would be (or within --tolerance, in total variation). A stopped run goes on when the same
command is given again.

In the output folder: report.html and grid.png with the batch before and after beside each other, summary.json, and
adapter.safetensors: the tokens, for "evenhand generate --adapter".

Examples:
  evenhand align "a photo of the face of a doctor, a person" --target gender=50/50
  evenhand align "a person playing chess" --target "gender=uniform, age=75/25" --images 48
  evenhand generate -p "a photo of the face of a doctor, a person" -n 8 --adapter runs/align/adapter.safetensors`;

/** Makes the command. */
export function alignCommand(io: Io): Command {
  return new Command('align')
    .summary('make one prompt follow a target')
    .description(
      'Draws a batch for one prompt, shows its distribution, and adapts soft tokens for that prompt until the batch\n' +
        'follows the target.',
    )
    .argument('<prompt>', 'any prompt')
    .option(
      '-t, --target <shares>',
      'attributes and their shares, in the order of the classes',
      'gender=50/50',
    )
    .option('-m, --model <folder>', 'portraits, a model folder with its judges, or a hub id')
    .option('-o, --output <folder>', 'where the report and the tokens go', path.join('runs', 'align'))
    .option('-n, --images <count>', 'images of the batch', integer(4, 1000), 40)
    .option('--iterations <count>', 'iterations at most', integer(1, 100_000), 60)
    .option('--every <count>', 'iterations between looks at the batch', integer(1, 10_000), 5)
    .option('--tolerance <distance>', 'total variation to the target that is near enough', numberFrom(0))
    .option('--steps <count>', 'sampling steps of the batch', integer(1, 1000), 12)
    .option('--seed <number>', 'seed of the first image', integer(0), 1000)
    .addOption(setOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((prompt: string, options: AlignOptions) => align(prompt, options, io));
}

async function align(prompt: string, options: AlignOptions, io: Io): Promise<void> {
  const config = loadConfig(finetuneConfigSchema, {
    file: packagePath('configs/align.yaml'),
    overrides: [
      ...(options.model === undefined ? [] : [`model=${JSON.stringify(options.model)}`]),
      `target=${JSON.stringify(options.target)}`,
      `prompts.train=${JSON.stringify([prompt])}`,
      `output=${JSON.stringify(path.resolve(options.output, 'finetune'))}`,
      ...(options.set ?? []),
    ],
  });
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(async (signal) => {
      await fetchModel(config.model, progress, signal);
      await withRuntime(options, progress, (runtime) =>
        run(runtime, prompt, config, options, progress, signal),
      );
    }, progress.note);
  } finally {
    progress.finish();
  }
}

/** What stays the same between two looks at the batch. */
interface Batch {
  readonly bench: MeasuringBench;
  readonly plan: MeasuringPlan;
  readonly target: TargetDistribution;
}

async function run(
  runtime: Runtime,
  prompt: string,
  config: FinetuneConfig,
  options: AlignOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const output = outputFolder(options.output);
  const at = (name: string) => path.join(output, name);
  const model = resolveModel(config.model);
  const bench = asUsage(() => openMeasuringBench(runtime, model));
  const { attributes } = bench.classifier;
  const target = asUsage(() => configuredTarget(config, attributes));
  const overridden = overriddenAttributes(prompt, target);
  if (overridden.length > 0) {
    throw new UsageError(
      `prompt: expected one that leaves ${overridden.join(' and ')} open, received '${prompt}': what a prompt says itself is not overridden`,
    );
  }
  const plan: MeasuringPlan = {
    prompts: [prompt],
    imagesPerPrompt: options.images,
    seed: options.seed,
    steps: options.steps,
    guidanceScale: config.sampler.guidanceScale ?? bench.pipeline.model.defaultGuidanceScale,
    negativePrompt: config.prompts.negative,
    keep: { images: options.images, prompts: 1 },
  };
  const batch = { bench, plan, target };
  progress.note(`target: ${targetInWords(target)}`);
  const before = await measure(bench, plan, null, 'draw the first batch', progress, signal);
  const first = measureEvaluation(before, target);
  progress.note(`before: ${describeShares(first)}`);
  const wanted = options.tolerance ?? first.totalVariation.floor ?? 0;
  const found = isReached(first, wanted)
    ? null
    : await adapt(batch, config, options, wanted, progress, signal);
  const after = found?.evaluation ?? before;
  const adapter = found && at('adapter.safetensors');
  if (found !== null) {
    const tokens = readFileSync(found.tuned.adapterFile);
    writeFileAtomically(at('adapter.safetensors'), (descriptor) => writeFully(descriptor, tokens));
  }
  const report = await comparisonReport({
    title: 'One prompt, aligned',
    summary: `"${prompt}", ${options.images} images from the same noise before and after; target: ${targetInWords(target)}.`,
    setup: await describeSetup(bench, plan, adapter),
    before,
    after,
    targets: measuredTargets(target, attributes),
    curve: found === null ? [] : readCurve(found.tuned.log, target.attributes[0]!.name),
    notes: found === null ? ['The first batch follows the target already: nothing was trained.'] : [],
    created: new Date().toISOString(),
  });
  const { html } = writeReport(output, report.data);
  const last = report.after;
  const reached = isReached(last, wanted);
  const seconds = (performance.now() - started) / 1000;
  const iterations = found?.tuned.iterations ?? 0;
  const sheet = report.data.images![0]!.png;
  writeFileAtomically(at('grid.png'), (descriptor) => writeFully(descriptor, sheet));
  const summary = {
    prompt,
    target: options.target,
    reached,
    iterations,
    seconds,
    tolerance: wanted,
    before: sharesOf(first),
    after: sharesOf(last),
    adapter,
  };
  writeTextAtomically(at('summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  progress.note(`after:  ${describeShares(last)}`);
  const shown = [html, at('grid.png')].map((file) => path.relative('.', file));
  progress.note(
    `${reached ? 'the batch follows the target' : 'the target is not reached; more --iterations may help'} after ` +
      `${iterations} iterations, ${formatDuration(seconds)}; look at ${shown.join(' and ')}`,
  );
  progress.result({ command: 'align', ...summary, report: html });
}

/** Trains, looking at the batch every few iterations, until it follows the target or the iterations are used up. */
async function adapt(
  { bench, plan, target }: Batch,
  config: FinetuneConfig,
  { iterations, every }: AlignOptions,
  tolerance: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ readonly tuned: FinetuneOutcome; readonly evaluation: Evaluation }> {
  let evaluation = null as Evaluation | null;
  const inspection: RunInspection = {
    every,
    async look(adapter, done) {
      evaluation = await measure(bench, plan, adapter, 'draw the batch', progress, signal);
      const result = measureEvaluation(evaluation, target);
      progress.note(`after ${done} iterations: ${describeShares(result)}`);
      return isReached(result, tolerance) ? 'the batch follows the target' : null;
    },
  };
  const { pipeline } = bench;
  const run = { ...config, optimizer: { ...config.optimizer, iterations }, checkpointEvery: every };
  const tuned = await runFinetune(pipeline.runtime, run, progress, signal, { pipeline, inspection });
  return { tuned, evaluation: evaluation! };
}

function isReached({ totalVariation }: AttributeResult, tolerance: number): boolean {
  return totalVariation.mean <= tolerance;
}

function sharesOf({ attribute, classes, prompts, totalVariation }: AttributeResult) {
  const { frequencies, faces } = prompts[0]!;
  return {
    attribute,
    shares: Object.fromEntries(classes.map((name, k) => [name, frequencies[k]!])),
    totalVariation: totalVariation.mean,
    faces,
  };
}

/** `gender: 82% male, 18% female (total variation to the target 0.32, 40 faces)`. */
function describeShares(result: AttributeResult): string {
  const { attribute, shares, totalVariation, faces } = sharesOf(result);
  const parts = Object.entries(shares).map(([name, share]) => `${Math.round(share * 100)}% ${name}`);
  return `${attribute}: ${parts.join(', ')} (total variation to the target ${totalVariation.toFixed(2)}, ${faces} faces)`;
}
