/** `evenhand train`: trains a model of Portraits from scratch on drawn scenes. */

import { cpSync, existsSync } from 'node:fs';
import path from 'node:path';
import { Argument, Command } from 'commander';
import { captionWeights } from '../../portraits/captions.ts';
import { renderDataset } from '../../portraits/dataset.ts';
import type { CommonTrainingConfig } from '../../training/config.ts';
import { runTraining } from '../../training/recipe.ts';
import { cancellable } from '../cancellation.ts';
import { formatConfig, loadConfig, peekConfig } from '../config.ts';
import { UsageError } from '../errors.ts';
import { isFaceClassifierRecipe, trainFaceClassifier } from '../face_classifier.ts';
import type { Io } from '../io.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  deviceOption,
  jsonOption,
  outputFolder,
  printConfigOption,
  setOption,
  threadsOption,
} from '../options.ts';
import { PORTRAITS } from '../package.ts';
import type { Progress } from '../progress.ts';
import { createProgress, formatDuration, formatNumber } from '../progress.ts';
import type { Training } from '../trainings.ts';
import { shippedRecipe, TRAININGS } from '../trainings.ts';

interface TrainOptions extends RuntimeChoice {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly output: string;
  readonly run?: string;
  readonly data: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

const HELP = `
Models, in the order in which they build on each other:
${TRAININGS.map(({ name, summary, needs }) => `  ${name.padEnd(22)} ${summary}${needs.length > 0 ? ` (needs ${needs.join(', ')})` : ''}`).join('\n')}

The scenes are drawn first, into --data, once for every seed. A stopped run goes on when the same command is given
again, with the same numbers as if it had never stopped.

Examples:
  evenhand train vae
      the shipped recipe, into runs/train/portraits/vae
  evenhand train vae --set steps=200 --set data.scenes=2000 --run runs/train/short
      a short run of it
  evenhand train classifier --print-config > my.yaml
  evenhand train classifier --config my.yaml
      a recipe of your own; with data: { layout: fairface, ... } or celeba one on photographs, written to --output;
      architecture: { type: mobilenet_v3_large, image_size: 224 } is the network that such classifiers often are`;

/** Makes the command. */
export function trainCommand(io: Io): Command {
  return new Command('train')
    .summary('train a model of Portraits from scratch')
    .description(
      'Trains a model of the embedded world Portraits from scratch, on scenes that are drawn for it.',
    )
    .addArgument(new Argument('<model>', 'what to train').choices(TRAININGS.map(({ name }) => name)))
    .option('-c, --config <file>', 'recipe, YAML or JSON (default: the shipped recipe of the model)')
    .addOption(setOption())
    .option('-o, --output <folder>', 'model folder to write into', path.join('runs', 'train', 'portraits'))
    .option('-r, --run <folder>', 'folder of checkpoints and log (default: runs/train/<model>)')
    .option('--data <folder>', 'folder of drawn scenes', path.join('.cache', 'portraits'))
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(printConfigOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((model: string, options: TrainOptions) => train(model, options, io));
}

async function train(model: string, options: TrainOptions, io: Io): Promise<void> {
  if (model === 'classifier' && isFaceClassifierRecipe(options)) return trainFaceClassifier(options, io);
  const training = TRAININGS.find(({ name }) => name === model)!;
  const recipe = loadRecipe(training, options);
  if (options.printConfig) {
    io.stdout.write(formatConfig(recipe));
    return;
  }
  const output = path.resolve(options.output);
  const run = path.resolve(options.run ?? path.join('runs', 'train', model));
  prepareModelFolder(output, training);
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  const started = performance.now();
  try {
    const loss = await cancellable(
      (signal) => carryOut(training, recipe, { ...options, output, run }, progress, signal),
      (text) => progress.note(text),
    );
    const seconds = (performance.now() - started) / 1000;
    const finalLoss = loss === undefined ? '' : `, last loss ${formatNumber(loss)}`;
    progress.note(
      `${model}: ${recipe.steps} steps in ${formatDuration(seconds)}${finalLoss}; written to ${output}`,
    );
    progress.result({ command: 'train', model, steps: recipe.steps, loss, seconds, output, run });
  } finally {
    progress.finish();
  }
}

function loadRecipe(training: Training, options: TrainOptions): CommonTrainingConfig {
  const file = options.config ?? shippedRecipe(training.name);
  const source = { file, overrides: options.set ?? [] };
  const named = peekConfig(source, 'model');
  if (named !== undefined && named !== training.name) {
    throw new UsageError(
      `${file}: expected a recipe for ${training.name}, received one for ${String(named)}`,
    );
  }
  const recipe = loadConfig(training.schema, source);
  const { steps, warmupSteps, schedule } = recipe;
  if (!schedule.startsWith('constant') && steps < warmupSteps) {
    throw new UsageError(
      `${file}: steps: expected at least warmupSteps (${warmupSteps}), received ${steps}; ` +
        'a shorter run needs a shorter warm-up too: --set warmupSteps=...',
    );
  }
  return recipe;
}

/** Makes the model folder, with the tokenizer that the recipes read, and looks for what earlier trainings leave there. */
function prepareModelFolder(output: string, training: Training): void {
  const folders: Readonly<Record<string, string>> = { vae: 'vae', clip: 'text_encoder' };
  for (const needed of training.needs) {
    const folder = path.join(output, folders[needed] ?? needed);
    if (!existsSync(path.join(folder, 'config.json'))) {
      throw new UsageError(
        `${training.name}: expected a trained ${needed} in ${folder}, found none; run first: evenhand train ${needed}`,
      );
    }
  }
  outputFolder(output);
  const tokenizer = path.join(output, 'tokenizer');
  if (!existsSync(tokenizer)) cpSync(path.join(PORTRAITS, 'tokenizer'), tokenizer, { recursive: true });
}

/** Draws, prepares and trains; returns the loss of the last step, `undefined` when none was left to do. */
async function carryOut(
  training: Training,
  recipe: CommonTrainingConfig,
  { output, run, data: directory, ...choice }: TrainOptions & { readonly run: string },
  progress: Progress,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { seed, scenes, weights, ...captions } = recipe.data;
  const data = await renderDataset({
    seed,
    count: scenes,
    directory,
    captions: weights === undefined ? captions : { ...captions, weights: captionWeights(weights) },
    onProgress: (step, steps) => progress.update({ task: 'draw scenes', step, steps }),
  });
  signal.throwIfAborted();
  return withRuntime(choice, progress, async (runtime) => {
    const prepared = await training.prepare(recipe, {
      data,
      output,
      runtime,
      onProgress: (step, steps) => progress.update({ task: 'prepare', step, steps }),
    });
    signal.throwIfAborted();
    let last: number | undefined;
    await runTraining(
      runtime,
      prepared,
      recipe,
      run,
      ({ name, step, steps, loss, metrics, secondsLeft }) => {
        last = loss;
        progress.update({ task: name, step, steps, numbers: { loss, ...metrics }, secondsLeft });
      },
      signal,
    );
    return last;
  });
}
