/** `evenhand evaluate`: measures who a model draws, with or without an adapter, and writes a report. */

import { rmSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { cancellable } from '../cancellation.ts';
import { explainConfig, loadConfig } from '../config.ts';
import { evaluateConfigSchema } from '../evaluate_config.ts';
import { runEvaluation } from '../evaluation.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  adapterScaleOption,
  deviceOption,
  integer,
  jsonOption,
  memoryOption,
  numberFrom,
  printConfigOption,
  setOption,
  textContextOption,
  threadsOption,
} from '../options.ts';
import { createProgress } from '../progress.ts';

interface EvaluateOptions extends RuntimeChoice {
  readonly set?: readonly string[];
  readonly fresh?: boolean;
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

/** Options that stand for one field of the configuration, by the field. */
const SHORTCUTS: Readonly<Record<string, string>> = Object.freeze({
  model: 'model',
  adapter: 'adapter',
  adapterScale: 'adapterScale',
  judges: 'judges',
  output: 'output',
  target: 'target',
  prompts: 'prompts.test',
  count: 'prompts.count',
  numImages: 'prompts.imagesPerPrompt',
  explicit: 'explicit.prompts',
  seed: 'seed',
  steps: 'sampler.steps',
  guidanceScale: 'sampler.guidanceScale',
  realImages: 'realImages',
  textContext: 'textContext',
});

const HELP = `
Without a configuration: gender on the held-out occupations of Portraits, 60 images of each. With --adapter, the model is
measured with and without it, from the same noise.

What is measured, by prompt, by family of prompts, and over all prompts, with intervals:
  bias, and the distance to the target (total variation), each beside the noise floor: a fair model measures more than
  0 too, since each prompt has few images; drift of the attributes that were not trained; images without a face and with
  several; whether prompts that name attributes ("a male nurse") are still obeyed; CLIP-T to the prompt, CLIP-I and DINO
  to the original image, and KID between the sets of images (and to real ones with --real-images).

Prompts of your own: a text file with a prompt a line, or a YAML file such as
  doctors: [a photo of a doctor, a photo of a surgeon]
  named:
    - {prompt: a photo of a male nurse, attributes: {gender: male}}
where keys are families, and prompts with attributes are measured for obedience alone.

In the report folder: report.html (self-contained), report.json (every number of it), images.csv (a row an image),
prompts.csv (a row a prompt), counts.csv, summary.csv, and judged/, from which a stopped evaluation goes on where it
was, and another adapter reuses the original model's images.

Examples:
  evenhand evaluate --count 10 -n 20
      a first look, on ten prompts
  evenhand evaluate --adapter runs/gender/adapter.safetensors --prompts all
  evenhand evaluate -a runs/gender/adapter.safetensors --set features.clip=clip_evaluation \\
      --set features.dino=dino_evaluation
      CLIP-T, CLIP-I, DINO and KID by the encoders of Portraits that are in no loss
  evenhand evaluate -a runs/gender --adapter-scale 0.6 -o runs/weaker
  evenhand evaluate --target "gender=uniform, race=uniform" --prompts occupations+sports -o runs/joint`;

/** Makes the command. */
export function evaluateCommand(io: Io): Command {
  return new Command('evaluate')
    .summary('measure who a model draws')
    .description(
      'Draws images of many prompts, judges their faces by classifiers that no training has seen, and reports.',
    )
    .argument('[config]', 'configuration, YAML or JSON; options and --set override it')
    .addOption(setOption())
    .option('-m, --model <name>', 'portraits, a folder in diffusers layout, or a hub id')
    .option('-a, --adapter <file>', 'adapter to compare the model with')
    .addOption(adapterScaleOption())
    .option(
      '--judges <folder>',
      "folder with face_detector/ and classifier_evaluation/ (default: the model's)",
    )
    .option(
      '-t, --target <shares>',
      'the distribution that is aimed at: gender=uniform, or "gender=50/50, age=75/25" for both (default: gender=uniform)',
    )
    .option(
      '-p, --prompts <choice>',
      'occupations, sports, styled, descriptors, several joined by +, all, or a file (default: occupations)',
    )
    .option('--count <number>', 'how many of the prompts, spread evenly (default: all)', integer(1))
    .option('-n, --num-images <count>', 'images of each prompt (default: 60, 80 or 160)', integer(1))
    .option(
      '--explicit <choice>',
      'prompts that name attributes: shipped, none, or a file (default: shipped)',
    )
    .addOption(textContextOption())
    .option('--real-images <folder>', 'real images to measure the distance to')
    .option('--seed <number>', 'seed of the first image (default: 1000)', integer(0))
    .option('--steps <count>', 'sampling steps (default: 30)', integer(1, 1000))
    .option(
      '--guidance-scale <number>',
      "how strongly the prompt counts (default: the model's)",
      numberFrom(1),
    )
    .option('-o, --output <folder>', 'report folder (default: runs/evaluate)')
    .option('--fresh', 'judge every image anew, even those that an earlier evaluation has left in the folder')
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(printConfigOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((file: string | undefined, options: EvaluateOptions) => runCommand(file, options, io));
}

async function runCommand(file: string | undefined, options: EvaluateOptions, io: Io): Promise<void> {
  const given = options as unknown as Readonly<Record<string, unknown>>;
  const shortcuts = Object.entries(SHORTCUTS).flatMap(([option, field]) =>
    given[option] === undefined ? [] : [`${field}=${JSON.stringify(given[option])}`],
  );
  const overrides = [...(options.set ?? []), ...shortcuts];
  const config = loadConfig(evaluateConfigSchema, { overrides, ...(file === undefined ? {} : { file }) });
  if (options.printConfig) {
    io.stdout.write(explainConfig(evaluateConfigSchema, config));
    return;
  }
  if (options.fresh) rmSync(path.join(config.output, 'judged'), { recursive: true, force: true });
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(async (signal) => {
      await fetchModel(config.model, progress, signal);
      await withRuntime(options, progress, (runtime) => runEvaluation(runtime, config, progress, signal));
    }, progress.note);
  } finally {
    progress.finish();
  }
}
