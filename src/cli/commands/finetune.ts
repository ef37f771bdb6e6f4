/** `evenhand finetune`: trains an adapter until the people a model draws follow the configured distribution. */

import { Command } from 'commander';
import { finetuneConfigSchema, objectiveSchema } from '../../finetune/config.ts';
import { cancellable } from '../cancellation.ts';
import { explainConfig, loadConfig } from '../config.ts';
import { runFinetune } from '../finetuning.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import {
  collect,
  deviceOption,
  jsonOption,
  memoryOption,
  printConfigOption,
  setOption,
  threadsOption,
} from '../options.ts';
import { resolveConfigFile } from '../presets.ts';
import { createProgress, formatDuration } from '../progress.ts';

interface FinetuneOptions extends RuntimeChoice {
  readonly set?: readonly string[];
  readonly output?: string;
  readonly objective?: readonly string[];
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

const HELP = `
The configuration is YAML or JSON. The shortest one:

  target: { gender: uniform }     # or 70/30, or { gender: uniform, age: 75/25 }
  output: runs/gender

--print-config shows every other field: its default, or in a comment that it has none. In the output folder: config.yaml as it was used, log.jsonl,
index.html (curves and samples while it goes), tensorboard/, samples/, checkpoints/ and, at the end, adapter.safetensors
and best.safetensors (the best validation), which "evenhand generate --adapter", ComfyUI, AUTOMATIC1111 and diffusers
load. A stopped run goes on when the same command is given again.

Groups of prompts may have targets of their own:

  target:
    - { for: occupations, gender: uniform }
    - { for: sports, gender: 60/40 }
    - { for: female occupations, gender: { female: 1 }, weight: 0.15 }

"weight" says how often a group is drawn compared with the others. Prompts that name what their target would decide ("a male
nurse" under 50/50) are set apart.

Presets, for Portraits on two cores, with the constants of the method: gender, race, gender-race, gender-race-age
(75% young and 25% old in every gender and race) and many-concepts. gender-explicit and gender-race-explicit keep prompts
that name a gender or a race obedient besides.

train.part is prompt, text-encoder, unet, text-encoder+unet or layers (whole weights, named by patterns).

--objective adds a differentiable score of your own to the loss: a module whose default export makes graph values,
(images, graph) => scores, or an ONNX model; weight and direction are set under "objectives" in the configuration.

Examples:
  evenhand finetune gender
      the preset; a file of that name comes first
  evenhand finetune gender.yaml
  evenhand finetune gender.yaml --set optimizer.iterations=200 --set train.part=prompt --output runs/short
  evenhand finetune gender.yaml --set train.part=unet --set train.rank=16 --set microBatch=4
  evenhand finetune gender.yaml --set stop.distance=0.05
  evenhand finetune gender.yaml --objective configs/brightness.mjs
  evenhand finetune gender.yaml --print-config`;

/** Makes the command. */
export function finetuneCommand(io: Io): Command {
  return new Command('finetune')
    .summary('train an adapter towards a chosen distribution')
    .description(
      'Trains an adapter until the people that a model draws follow the distribution of a configuration.',
    )
    .argument('<config>', 'configuration, YAML or JSON, or the name of a preset')
    .addOption(setOption())
    .option('-o, --output <folder>', 'run folder (default: the one in the configuration)')
    .option('--objective <file>', 'score to maximise beside fairness; may be given several times', collect)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(printConfigOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((file: string, options: FinetuneOptions) => runCommand(file, options, io));
}

async function runCommand(file: string, options: FinetuneOptions, io: Io): Promise<void> {
  const { output, set = [] } = options;
  const overrides = output === undefined ? set : [...set, `output=${JSON.stringify(output)}`];
  const read = loadConfig(finetuneConfigSchema, { file: resolveConfigFile(file), overrides });
  const config = {
    ...read,
    objectives: [
      ...read.objectives,
      ...(options.objective ?? []).map((file) => objectiveSchema.parse({ file })),
    ],
  };
  if (options.printConfig) {
    io.stdout.write(explainConfig(finetuneConfigSchema, config));
    return;
  }
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  const started = performance.now();
  try {
    const { iterations, adapterFile, bestFile, page, stopped } = await cancellable(async (signal) => {
      await fetchModel(config.model, progress, signal);
      return withRuntime(options, progress, (runtime) => runFinetune(runtime, config, progress, signal));
    }, progress.note);
    const seconds = (performance.now() - started) / 1000;
    progress.note(`${iterations} iterations in ${formatDuration(seconds)}; adapter: ${adapterFile}`);
    if (bestFile !== null) progress.note(`best validation: ${bestFile}`);
    progress.note(`curves and samples: ${page}`);
    progress.note(`measure it: evenhand evaluate --adapter ${adapterFile}`);
    progress.result({
      command: 'finetune',
      iterations,
      seconds,
      adapter: adapterFile,
      best: bestFile,
      page,
      stopped,
    });
  } finally {
    progress.finish();
  }
}
