/** `evenhand demo`: measures the embedded model, fine-tunes it for gender, measures again, and shows what changed. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { parse } from 'yaml';
import type { Adapter } from '../../diffusion/adapter.ts';
import { NO_ADAPTER } from '../../diffusion/adapter.ts';
import { writeAdapter } from '../../diffusion/adapter_file.ts';
import type { AttributeResult } from '../../evaluate/attribute_result.ts';
import type { CurvePoint } from '../../evaluate/comparison_report.ts';
import { comparisonReport } from '../../evaluate/comparison_report.ts';
import { evaluate } from '../../evaluate/evaluate.ts';
import { writeReport } from '../../evaluate/report.ts';
import { loadAttributeClassifier } from '../../faces/index.ts';
import { uniformTarget } from '../../fairness/index.ts';
import { prepareFinetune } from '../../finetune/assemble.ts';
import { finetuneConfigSchema } from '../../finetune/config.ts';
import { finetune } from '../../finetune/run.ts';
import type { Runtime } from '../../graph/index.ts';
import { promptEntries } from '../../portraits/prompts/index.ts';
import { writeTextAtomically } from '../../weights/atomic_file.ts';
import { cancellable } from '../cancellation.ts';
import type { Io } from '../io.ts';
import { hashFile, hashModel } from '../models.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import { deviceOption, jsonOption, threadsOption } from '../options.ts';
import { PORTRAITS, packagePath } from '../package.ts';
import type { Progress } from '../progress.ts';
import { createProgress, formatDuration } from '../progress.ts';

interface DemoOptions extends RuntimeChoice {
  readonly output: string;
  readonly json?: boolean;
}

/** Held-out occupations that are measured, images of each, and how they are sampled. */
const MEASURED = Object.freeze({ prompts: 12, images: 40, steps: 16, seed: 1000, keptPrompts: 4, kept: 8 });

const HELP = `
Writes into --output: report.html (open it), report.json and CSV files, grid.png, adapter.safetensors (kohya format),
summary.json, and the run's log. It starts afresh every time.`;

/** Makes the command. */
export function demoCommand(io: Io): Command {
  return new Command('demo')
    .summary('watch the embedded model become fair, in a few minutes')
    .description(
      'Measures the embedded model on held-out occupations, fine-tunes it for gender, and measures again.',
    )
    .option('-o, --output <folder>', 'folder of the results', path.join('runs', 'demo'))
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(async (options: DemoOptions) => {
      const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
      try {
        await cancellable(
          (signal) => withRuntime(options, progress, (runtime) => demo(runtime, options, progress, signal)),
          (text) => progress.note(text),
        );
      } finally {
        progress.finish();
      }
    });
}

async function demo(
  runtime: Runtime,
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const output = path.resolve(options.output);
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const configText = readFileSync(packagePath('configs/demo.yaml'), 'utf8');
  const config = finetuneConfigSchema.parse({ ...(parse(configText) as object), output });
  const trainPrompts = promptEntries('occupation', 'train').map(({ prompt }) => prompt);
  const testPrompts = promptEntries('occupation', 'test').map(({ prompt }) => prompt);
  const validationPrompts = trainPrompts.filter((_, i) => i % 97 === 0);
  const prepared = prepareFinetune(config, {
    runtime,
    modelDirectory: PORTRAITS,
    trainPrompts,
    validationPrompts,
    batchSizes: { denoiser: 8, decoder: 8 },
  });
  const { pipeline, judges, settings } = prepared;
  const judgeFolder = path.join(PORTRAITS, 'classifier_evaluation');
  const classifier = loadAttributeClassifier(runtime, judgeFolder);
  const prompts = testPrompts
    .filter((_, i) => i % Math.floor(testPrompts.length / MEASURED.prompts) === 0)
    .slice(0, MEASURED.prompts);

  const measure = (adapter: Adapter, task: string) =>
    evaluate({
      pipeline,
      detector: judges.detector,
      classifier,
      prompts,
      imagesPerPrompt: MEASURED.images,
      seed: MEASURED.seed,
      steps: MEASURED.steps,
      guidanceScale: settings.guidanceScale,
      negativePrompt: settings.negativePrompt,
      adapter,
      keep: MEASURED.kept,
      onProgress: (step, steps) => progress.update({ task, step, steps }),
      signal,
    });

  progress.note(
    `measuring the original model: ${prompts.length} held-out occupations, ${MEASURED.images} images each`,
  );
  const before = await measure(NO_ADAPTER, 'measure before');
  const curve: CurvePoint[] = [];
  progress.note(
    `fine-tuning for gender on ${trainPrompts.length} other occupations, ${config.optimizer.iterations} iterations`,
  );
  const result = await finetune(
    pipeline,
    prepared.objective,
    settings,
    ({ iteration, iterations, loss, metrics, validation, secondsLeft }) => {
      const bias = metrics['bias gender']!;
      curve.push({ iteration, loss, bias, validation: validation?.['bias gender'] ?? null });
      progress.update({
        task: 'finetune',
        step: iteration,
        steps: iterations,
        numbers: { loss, bias },
        secondsLeft,
      });
    },
    signal,
  );
  const adapterFile = path.join(output, 'adapter.safetensors');
  writeAdapter(adapterFile, result.adapter, { 'evenhand.target': JSON.stringify(config.target) });
  progress.note('measuring the fine-tuned model on the same noise');
  const after = await measure(result.adapter, 'measure after');
  const attributes = before.attributes.map((attribute) => uniformTarget([attribute]));
  const gender = attributes.findIndex((target) => target.attributes[0]!.name === 'gender');
  const targets = [prepared.target, ...attributes.filter((_, i) => i !== gender)];
  const shown = prompts.slice(0, MEASURED.keptPrompts);
  const report = await comparisonReport({
    title: 'Portraits, fine-tuned for gender',
    summary:
      `Bias on ${prompts.length} occupations that took no part in training, ${MEASURED.images} images each, ` +
      'by a classifier that took no part in training either.',
    setup: {
      model: { name: 'portraits', hash: await hashModel(PORTRAITS) },
      adapter: { name: 'adapter.safetensors', hash: await hashFile(adapterFile) },
      seeds: `from ${MEASURED.seed} on, ${MEASURED.images} for each prompt, equal before and after`,
      sampler: pipeline.model.scheduler.scheduler,
      steps: MEASURED.steps,
      guidanceScale: settings.guidanceScale,
      classifiers: [
        { name: 'classifier_evaluation', hash: await hashFile(path.join(judgeFolder, 'model.safetensors')) },
      ],
    },
    before: { ...before, kept: before.kept.filter(({ prompt }) => shown.includes(prompt)) },
    after: { ...after, kept: after.kept.filter(({ prompt }) => shown.includes(prompt)) },
    targets,
    curve,
    notes: ['The noise floor is the bias that a model exactly on target would measure with as many images.'],
    created: new Date().toISOString(),
  });
  const files = writeReport(output, report.data);
  writeFileSync(path.join(output, 'grid.png'), report.data.images![0]!.png);
  const seconds = (performance.now() - started) / 1000;
  const summary = {
    before: { gender: measureOf(report.before) },
    after: { gender: measureOf(report.after) },
    seconds: Math.round(seconds),
    iterations: result.iterations,
  };
  writeTextAtomically(path.join(output, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const line = (name: string, { bias, lower, upper, floor }: ReturnType<typeof measureOf>) =>
    `  ${name}  gender bias ${bias.toFixed(2)} (95% interval ${lower.toFixed(2)} to ${upper.toFixed(2)}, noise floor ${floor.toFixed(2)})`;
  progress.note('');
  progress.note(line('before', summary.before.gender));
  progress.note(line('after ', summary.after.gender));
  progress.note(`  in ${formatDuration(seconds)}, ${result.iterations} iterations`);
  progress.note(`Open ${path.relative(process.cwd(), files.html)}; the adapter is beside it.`);
  progress.result({ command: 'demo', ...summary, output });
}

function measureOf({ bias, images, prompts }: AttributeResult) {
  return {
    bias: bias.mean,
    lower: bias.interval?.low ?? Number.NaN,
    upper: bias.interval?.high ?? Number.NaN,
    floor: bias.floor ?? Number.NaN,
    images,
    prompts: prompts.length,
  };
}
