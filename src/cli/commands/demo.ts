/** `evenhand demo`: measures the shipped model, fine-tunes it for gender, measures again, and leaves a report. */

import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { writeAdapter } from '../../diffusion/adapter_file.ts';
import { comparisonReport } from '../../evaluate/comparison_report.ts';
import type { MeasuredBias } from '../../evaluate/export/measured.ts';
import { writeReport } from '../../evaluate/report.ts';
import { configuredTarget, finetuneConfigSchema, finetuneDigest } from '../../finetune/config.ts';
import { requireOwnFolder } from '../../finetune/run_state.ts';
import { weightsOfRun } from '../../finetune/run_weights.ts';
import type { Runtime } from '../../graph/index.ts';
import { writeFileAtomically, writeFully, writeTextAtomically } from '../../weights/atomic_file.ts';
import { cancellable } from '../cancellation.ts';
import { loadConfig, peekConfig } from '../config.ts';
import { DEMO_ITERATIONS, demoIterations } from '../demo_length.ts';
import { asUsage } from '../errors.ts';
import { readCurve, runFinetune } from '../finetuning.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import type { MeasuringPlan } from '../measuring.ts';
import {
  describeBias,
  describeFeatures,
  describeSetup,
  measure,
  measuredTargets,
  openMeasuringBench,
  summarizeResult,
} from '../measuring.ts';
import { resolveModel } from '../models.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  deviceOption,
  integer,
  jsonOption,
  numberFrom,
  outputFolder,
  setOption,
  threadsOption,
} from '../options.ts';
import { packagePath } from '../package.ts';
import type { Progress } from '../progress.ts';
import { createProgress, formatDuration } from '../progress.ts';
import { resolvePrompts, spreadItems } from '../prompts.ts';

interface DemoOptions extends RuntimeChoice {
  readonly output: string;
  readonly prompts: number;
  readonly images: number;
  readonly minutes: number;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** The measurement: held-out occupations, drawn with few steps to fit into minutes on two cores. */
const MEASUREMENT = Object.freeze({
  list: 'occupations',
  prompts: 25,
  images: 24,
  seed: 1000,
  steps: 10,
  keep: Object.freeze({ prompts: 4, images: 8 }),
});

/** Minutes that the demo may take. */
const MINUTES = 8;

const HELP = `
It fine-tunes for as many iterations as fit into --minutes at the pace at which it measured the original model, between
${DEMO_ITERATIONS.least} and ${DEMO_ITERATIONS.most}; --set optimizer.iterations=N asks for a number, which draws the same images on every machine.

In the output folder: report.html (self-contained), summary.json, grid.png, adapter.safetensors, and finetune/
with the configuration and the log of the run. A stopped demo takes its fine-tuning up where it was.

Examples:
  evenhand demo
  evenhand demo --prompts 5 --images 12 --set optimizer.iterations=10
      shorter, and less sure`;

/** Makes the command. */
export function demoCommand(io: Io): Command {
  return new Command('demo')
    .summary('watch the shipped model become fair, in minutes')
    .description(
      'Measures how often the shipped model draws women and men for held-out occupations, fine-tunes it until both\n' +
        'are drawn equally often, measures again from the same noise, and leaves a report.',
    )
    .option('-o, --output <folder>', 'where the report goes', path.join('runs', 'demo'))
    .option('--prompts <count>', 'held-out occupations to measure on', integer(1, 50), MEASUREMENT.prompts)
    .option('--images <count>', 'images of each', integer(2, 1000), MEASUREMENT.images)
    .option('--minutes <count>', 'what the whole demo may take; iterations follow', numberFrom(0), MINUTES)
    .addOption(setOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((options: DemoOptions) => runCommand(options, io));
}

async function runCommand(options: DemoOptions, io: Io): Promise<void> {
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(
      (signal) => withRuntime(options, progress, (runtime) => run(runtime, options, progress, signal)),
      progress.note,
    );
  } finally {
    progress.finish();
  }
}

async function run(
  runtime: Runtime,
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const output = outputFolder(options.output);
  const at = (name: string) => path.join(output, name);
  // A demo that was finished starts anew; one that was stopped goes on.
  if (existsSync(at('summary.json'))) {
    rmSync(at('summary.json'));
    rmSync(at('finetune'), { recursive: true, force: true });
  }
  const configured = (overrides: readonly string[]) =>
    loadConfig(finetuneConfigSchema, {
      file: packagePath('configs/demo.yaml'),
      overrides: [...overrides, ...(options.set ?? []), `output=${JSON.stringify(at('finetune'))}`],
    });
  const config = configured([]);
  await fetchModel(config.model, progress, signal);
  const model = resolveModel(config.model);
  asUsage(() =>
    requireOwnFolder({
      directory: config.output,
      digest: finetuneDigest(config),
      weights: weightsOfRun(config, model),
    }),
  );
  const bench = asUsage(() => openMeasuringBench(runtime, model, model, { features: {} }));
  const { attributes } = bench.classifier;
  const target = asUsage(() => configuredTarget(config, attributes));
  const attribute = target.attributes[0]!.name;
  const plan: MeasuringPlan = {
    prompts: spreadItems(resolvePrompts(MEASUREMENT.list, 'test'), options.prompts),
    imagesPerPrompt: options.images,
    seed: MEASUREMENT.seed,
    steps: MEASUREMENT.steps,
    guidanceScale: config.sampler.guidanceScale ?? bench.pipeline.model.defaultGuidanceScale,
    negativePrompt: config.prompts.negative,
    keep: MEASUREMENT.keep,
  };
  progress.note(
    `1/3 measuring the original model: ${plan.prompts.length} held-out occupations, ${plan.imagesPerPrompt} images of each`,
  );
  const measureStart = performance.now();
  const before = await measure(bench, plan, null, 'measure original', progress, signal);
  const now = performance.now();
  const iterations =
    begunIterations(at('finetune')) ??
    demoIterations({
      elapsed: (now - started) / 1000,
      measuring: (now - measureStart) / 1000,
      images: plan.prompts.length * plan.imagesPerPrompt,
      minutes: options.minutes,
    });
  // What the user sets comes later among the overrides and so wins.
  const planned = configured([`optimizer.iterations=${iterations}`]);
  progress.note(`2/3 fine-tuning for ${attribute}: ${planned.optimizer.iterations} iterations`);
  const tuned = await runFinetune(runtime, planned, progress, signal);
  progress.note('3/3 measuring the fine-tuned model, from the same noise');
  const after = await measure(bench, plan, tuned.adapter, 'measure fine-tuned', progress, signal);

  writeAdapter(at('adapter.safetensors'), tuned.adapter, {}, bench.pipeline.model);
  const report = await comparisonReport({
    title: `Portraits, fine-tuned for ${attribute}`,
    summary:
      `Bias on ${plan.prompts.length} occupations that took no part in training, ${plan.imagesPerPrompt} images of each, ` +
      'by a classifier that took no part in training either.',
    setup: await describeSetup(bench, plan, at('adapter.safetensors')),
    before,
    after,
    targets: measuredTargets(target, attributes),
    ...(await describeFeatures(bench, plan.prompts)),
    curve: readCurve(tuned.log, attribute),
    notes: [],
    created: new Date().toISOString(),
  });
  const { html } = writeReport(output, report.data);
  const sheet = report.data.images![0]!.png;
  writeFileAtomically(at('grid.png'), (descriptor) => writeFully(descriptor, sheet));
  const seconds = (performance.now() - started) / 1000;
  const [first, last] = [summarizeResult(report.before), summarizeResult(report.after)];
  writeSummary(at('summary.json'), attribute, first, last, { seconds, iterations: tuned.iterations });
  progress.note(`before: ${describeBias(attribute, first)}`);
  progress.note(`after:  ${describeBias(attribute, last)}`);
  progress.note(
    `${formatDuration(seconds)} for ${2 * first.images} measured images and ${tuned.iterations} iterations; ` +
      '0 is fair, the floor is what a fair model measures with as few images',
  );
  progress.note(`look at ${path.relative('.', html)} and ${path.relative('.', at('grid.png'))}`);
  progress.result({ command: 'demo', before: first, after: last, seconds, report: html });
}

/** Iterations of a fine-tuning that was stopped, from the configuration in its folder; null when there is none. */
function begunIterations(folder: string): number | null {
  const file = path.join(folder, 'config.yaml');
  if (!existsSync(file)) return null;
  const optimizer = peekConfig({ file }, 'optimizer') as { readonly iterations?: unknown } | undefined;
  return typeof optimizer?.iterations === 'number' ? optimizer.iterations : null;
}

function writeSummary(
  file: string,
  attribute: string,
  before: MeasuredBias,
  after: MeasuredBias,
  more: Readonly<Record<string, number>>,
): void {
  const summary = { before: { [attribute]: before }, after: { [attribute]: after }, ...more };
  writeTextAtomically(file, `${JSON.stringify(summary, null, 2)}\n`);
}
