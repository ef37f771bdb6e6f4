/** `evenhand generate`: images from prompts, as PNG files that say what they were made from. */

import path from 'node:path';
import { Command, Option } from 'commander';
import type { TextToImageModel } from '../../diffusion/model.ts';
import { openTextToImageModel } from '../../diffusion/model.ts';
import { createPlan } from '../../diffusion/schedulers/create_plan.ts';
import type { SchedulerConfig, SchedulerName } from '../../diffusion/schedulers/scheduler_config.ts';
import {
  parseSchedulerConfig,
  schedulerNames,
  supportsKarrasSigmas,
} from '../../diffusion/schedulers/scheduler_config.ts';
import type { TextContext } from '../../diffusion/text_context.ts';
import { withTextContext } from '../../diffusion/text_context.ts';
import type { PredictionType } from '../../weights/ldm/prediction.ts';
import { PREDICTION_TYPES } from '../../weights/ldm/prediction.ts';
import { cancellable } from '../cancellation.ts';
import type { DrawRequest } from '../draw_images.ts';
import { checkSize, drawImages } from '../draw_images.ts';
import { asUsage, UsageError } from '../errors.ts';
import { openAdapter } from '../export_source.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import { EMBEDDED_MODEL, resolveModel } from '../models.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  adapterScaleOption,
  collect,
  deviceOption,
  integer,
  jsonOption,
  memoryOption,
  numberFrom,
  outputFolder,
  textContextOption,
  threadsOption,
} from '../options.ts';
import { createProgress, formatDuration } from '../progress.ts';
import { promptsOfFile } from '../prompts.ts';

interface GenerateOptions extends RuntimeChoice {
  readonly prompt?: readonly string[];
  readonly promptFile?: string;
  readonly negativePrompt: string;
  readonly numImages: number;
  readonly seed?: number;
  readonly steps: number;
  readonly guidanceScale?: number;
  readonly scheduler: SchedulerName;
  readonly karras?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly batchSize: number;
  readonly model: string;
  readonly variant?: string;
  readonly predictionType?: PredictionType;
  readonly adapter?: string;
  readonly adapterScale?: number;
  readonly textContext?: TextContext;
  readonly output: string;
  readonly json?: boolean;
}

/** Seeds drawn for the user are short enough to be typed again. */
const LARGEST_DRAWN_SEED = 2 ** 32;

const HELP = `
Image i of every prompt has seed --seed + i, and its noise follows from that seed alone: neither the batch size nor the
other images change it. Each PNG carries the settings as AUTOMATIC1111 writes them and as a JSON record.

Examples:
  evenhand generate -p "a photo of the face of a doctor, a person"
  evenhand generate -p "a person playing tennis" -n 8 --seed 7 --steps 30 --scheduler euler
  evenhand generate -p "a photo of a doctor" --model stable-diffusion-v1-5/stable-diffusion-v1-5 --variant fp16
      from the Hugging Face hub: out of its cache, or downloaded
  evenhand generate --prompt-file prompts.txt -n 4 --adapter runs/gender/adapter.safetensors -o runs/fair
  evenhand generate -p "a photo of a doctor" --adapter runs/gender --adapter-scale 0.6
      the adapter at a part of its strength`;

/** Makes the command. */
export function generateCommand(io: Io): Command {
  return new Command('generate')
    .summary('draw images from prompts')
    .description(
      'Draws images from prompts with a text-to-image model, with or without a fine-tuned adapter.',
    )
    .addOption(
      new Option('-p, --prompt <text>', 'what to draw; may be given several times').argParser(collect),
    )
    .option('--prompt-file <file>', 'prompts, one a line; empty lines are left out')
    .option('--negative-prompt <text>', 'what to draw away from', '')
    .option('-n, --num-images <count>', 'images of each prompt', integer(1), 1)
    .option(
      '--seed <number>',
      'seed of the first image of each prompt (default: drawn at random)',
      integer(0),
    )
    .option('--steps <count>', 'sampling steps', integer(1, 1000), 20)
    .option(
      '--guidance-scale <number>',
      "how strongly the prompt counts; 1 for no guidance (default: the model's)",
      numberFrom(1),
    )
    .addOption(new Option('--scheduler <name>', 'sampler').choices(schedulerNames).default('dpmsolver++'))
    .option('--karras', 'space the noise levels as Karras et al. (euler and dpmsolver++)')
    .option('--width <pixels>', "width of the images (default: the model's)", integer(8))
    .option('--height <pixels>', "height of the images (default: the model's)", integer(8))
    .option('--batch-size <count>', 'images that are computed at once', integer(1, 1024), 8)
    .option(
      '-m, --model <name>',
      'portraits, a folder in diffusers layout, a single-file checkpoint (.safetensors), or a hub id (organisation/name)',
      EMBEDDED_MODEL,
    )
    .option('--variant <name>', "the model's weight files to take: fp16 for model.fp16.safetensors")
    .addOption(
      new Option(
        '--prediction-type <name>',
        "what the model's U-Net predicts (default: what its files say)",
      ).choices(PREDICTION_TYPES),
    )
    .option(
      '-a, --adapter <file>',
      'fine-tuned adapter: the folder of a run, a LoRA (kohya, diffusers, PEFT) or a textual inversion',
    )
    .addOption(adapterScaleOption())
    .addOption(textContextOption())
    .option(
      '-o, --output <folder>',
      'where images are written; nothing there is overwritten',
      path.join('runs', 'generate'),
    )
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((options: GenerateOptions) => generate(options, io));
}

async function generate(options: GenerateOptions, io: Io): Promise<void> {
  const prompts = readPrompts(options);
  if (options.adapterScale !== undefined && options.adapter === undefined) {
    throw new UsageError(
      `--adapter-scale: expected --adapter beside it, received ${options.adapterScale} alone`,
    );
  }
  const { variant, predictionType: prediction } = options;
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  await cancellable((signal) => fetchModel(options.model, progress, signal, variant), progress.note);
  const folder = resolveModel(options.model, variant);
  const model = withTextContext(
    asUsage(() => openTextToImageModel(folder, { variant, prediction })),
    options.textContext ?? 'padded',
  );
  const scheduler = configureScheduler(model, options);
  const request: DrawRequest = {
    prompts,
    negativePrompt: options.negativePrompt,
    imagesPerPrompt: options.numImages,
    seed: options.seed ?? Math.floor(Math.random() * LARGEST_DRAWN_SEED),
    scheduler,
    plan: createPlan({ scheduler, steps: options.steps }),
    guidanceScale: options.guidanceScale ?? model.defaultGuidanceScale,
    height: options.height ?? model.defaultSide,
    width: options.width ?? model.defaultSide,
    batchSize: options.batchSize,
    model: { name: options.model, opened: model },
    adapter:
      options.adapter === undefined ? null : openAdapter(options.adapter, model, options.adapterScale ?? 1),
    output: path.resolve(options.output),
  };
  checkSize(request);
  outputFolder(request.output);
  const started = performance.now();
  try {
    const files = await cancellable(
      (signal) => withRuntime(options, progress, (runtime) => drawImages(runtime, request, progress, signal)),
      progress.note,
    );
    const seconds = (performance.now() - started) / 1000;
    progress.note(`${files.length} images in ${formatDuration(seconds)}, in ${options.output}`);
    progress.result({ command: 'generate', seed: request.seed, seconds, files });
  } finally {
    progress.finish();
  }
}

function readPrompts({ prompt = [], promptFile }: GenerateOptions): string[] {
  const prompts = [...prompt, ...(promptFile === undefined ? [] : promptsOfFile(promptFile))];
  if (prompts.length === 0) {
    throw new UsageError(
      'generate: expected a prompt, received none; give --prompt "a photo of ..." or --prompt-file',
    );
  }
  return prompts;
}

function configureScheduler(
  model: TextToImageModel,
  { scheduler, karras }: GenerateOptions,
): SchedulerConfig {
  if (karras && !supportsKarrasSigmas(scheduler)) {
    throw new UsageError(`--karras: expected --scheduler euler or dpmsolver++, received ${scheduler}`);
  }
  const config = parseSchedulerConfig(model.schedulerFile, { scheduler });
  return karras ? { ...config, useKarrasSigmas: true } : config;
}
