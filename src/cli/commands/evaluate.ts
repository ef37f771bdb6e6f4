/** `evenhand evaluate`: measures who a model draws, with or without an adapter, and writes a report. */

import path from 'node:path';
import { Command } from 'commander';
import { readAdapter } from '../../diffusion/adapter_file.ts';
import { comparisonReport } from '../../evaluate/comparison_report.ts';
import { measureEvaluation } from '../../evaluate/evaluate.ts';
import { writeReport } from '../../evaluate/report.ts';
import type { ReportData } from '../../evaluate/report_data.ts';
import { configuredTarget } from '../../finetune/config.ts';
import type { Runtime } from '../../graph/index.ts';
import { cancellable } from '../cancellation.ts';
import { formatConfig, loadConfig } from '../config.ts';
import type { EvaluateConfig } from '../evaluate_config.ts';
import { defaultImagesPerPrompt, evaluateConfigSchema } from '../evaluate_config.ts';
import type { Io } from '../io.ts';
import type { BiasSummary, MeasuringPlan } from '../measuring.ts';
import {
  describeBias,
  describeSetup,
  evaluationSheet,
  measure,
  measuredTargets,
  openMeasuringBench,
  summarizeEvaluation,
} from '../measuring.ts';
import { resolveModel } from '../models.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import { deviceOption, jsonOption, printConfigOption, setOption, threadsOption } from '../options.ts';
import type { Progress } from '../progress.ts';
import { createProgress } from '../progress.ts';
import { resolvePrompts, spreadPrompts } from '../prompts.ts';

interface EvaluateOptions extends RuntimeChoice {
  readonly set?: readonly string[];
  readonly model?: string;
  readonly adapter?: string;
  readonly output?: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

const HELP = `
Without a configuration: gender on the held-out occupations of Portraits, 60 images of each. With --adapter, the model is
measured with and without it, from the same noise. The report folder holds report.html (self-contained), report.json,
summary.csv and prompts.csv.

Bias is 0 when all classes are drawn equally often, but measures more than 0 for a fair model too, since each prompt
has few images: the floor beside it says how much.

Examples:
  evenhand evaluate --set prompts.count=10
      a first look, on ten prompts
  evenhand evaluate --adapter runs/gender/adapter.safetensors
  evenhand evaluate joint.yaml --set prompts.test=sports --output runs/sports`;

/** Makes the command. */
export function evaluateCommand(io: Io): Command {
  return new Command('evaluate')
    .summary('measure who a model draws')
    .description(
      'Draws images of many prompts, judges their faces by classifiers that no training has seen, and reports.',
    )
    .argument('[config]', 'configuration, YAML or JSON')
    .addOption(setOption())
    .option('-m, --model <name>', 'portraits, or a folder in diffusers layout')
    .option('-a, --adapter <file>', 'adapter to compare the model with')
    .option('-o, --output <folder>', 'report folder')
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(printConfigOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((file: string | undefined, options: EvaluateOptions) => runCommand(file, options, io));
}

async function runCommand(file: string | undefined, options: EvaluateOptions, io: Io): Promise<void> {
  const shortcuts = (['model', 'adapter', 'output'] as const).flatMap((name) => {
    const value = options[name];
    return value === undefined ? [] : [`${name}=${JSON.stringify(value)}`];
  });
  const overrides = [...(options.set ?? []), ...shortcuts];
  const config = loadConfig(evaluateConfigSchema, { overrides, ...(file === undefined ? {} : { file }) });
  if (options.printConfig) {
    io.stdout.write(formatConfig(config));
    return;
  }
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(
      (signal) => withRuntime(options, progress, (runtime) => run(runtime, config, progress, signal)),
      progress.note,
    );
  } finally {
    progress.finish();
  }
}

async function run(
  runtime: Runtime,
  config: EvaluateConfig,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const folder = resolveModel(config.model);
  const all = resolvePrompts(config.prompts.test, 'test');
  const prompts = spreadPrompts(all, config.prompts.count ?? all.length);
  const wanted = config.prompts.imagesPerPrompt;
  const bench = openMeasuringBench(runtime, folder, config.judges);
  const { attributes } = bench.classifier;
  const target = configuredTarget(config, attributes);
  const targets = measuredTargets(target, attributes);
  const { model } = bench.pipeline;
  const adapter = config.adapter === undefined ? null : readAdapter(config.adapter, model);
  const plan: MeasuringPlan = {
    prompts,
    imagesPerPrompt: wanted ?? defaultImagesPerPrompt(target.attributes),
    seed: config.seed,
    steps: config.sampler.steps,
    guidanceScale: config.sampler.guidanceScale ?? model.defaultGuidanceScale,
    negativePrompt: config.prompts.negative,
    keep: config.sheet,
  };
  const before = await measure(
    bench,
    plan,
    null,
    adapter === null ? 'measure' : 'measure original',
    progress,
    signal,
  );
  const setup = await describeSetup(bench, plan, config.adapter ?? null);
  const created = new Date().toISOString();
  let data: ReportData;
  const summaries: [string, Record<string, BiasSummary>][] = [
    ['original', summarizeEvaluation(before, targets)],
  ];
  if (adapter === null) {
    const head = attributes.find(({ name }) => name === target.attributes[0]!.name)!;
    data = {
      title: `Who ${path.basename(folder)} draws`,
      created,
      setup,
      evaluations: [{ label: 'model', attributes: targets.map((each) => measureEvaluation(before, each)) }],
      images: [await evaluationSheet(before, head)],
    };
  } else {
    const after = await measure(bench, plan, adapter, 'measure adapted', progress, signal);
    const title = `${path.basename(folder)} with and without ${path.basename(config.adapter!)}`;
    const summary = `${prompts.length} prompts, ${plan.imagesPerPrompt} images of each, from the same noise.`;
    const input = { title, summary, setup, before, after, targets, curve: [], notes: [], created };
    data = (await comparisonReport(input)).data;
    summaries.push(['fine-tuned', summarizeEvaluation(after, targets)]);
  }
  const files = writeReport(config.output, data);
  for (const [label, measured] of summaries) {
    for (const [attribute, bias] of Object.entries(measured)) {
      progress.note(`${label}: ${describeBias(attribute, bias)}`);
    }
  }
  progress.note(`report: ${files.html}`);
  progress.result({ command: 'evaluate', ...Object.fromEntries(summaries), report: files.html });
}
