/** `evenhand export`: an adapter in the format that another program loads, or merged into its model. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import {
  EXPORT_DTYPES,
  EXPORT_FORMATS,
  type ExportDtype,
  type ExportFormat,
} from '../../evaluate/export/formats.ts';
import type { PredictionType } from '../../weights/ldm/prediction.ts';
import { PREDICTION_TYPES } from '../../weights/ldm/prediction.ts';
import { cancellable } from '../cancellation.ts';
import { UsageError } from '../errors.ts';
import { findAdapter } from '../export_source.ts';
import { carryOutExport } from '../exporting.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import { folderBytes, formatBytes } from '../models.ts';
import { jsonOption } from '../options.ts';
import { createProgress } from '../progress.ts';

interface ExportCommandOptions {
  readonly format?: ExportFormat;
  readonly output: string;
  readonly model?: string;
  readonly variant?: string;
  readonly predictionType?: PredictionType;
  readonly best?: boolean;
  readonly evaluation?: string;
  readonly dtype?: ExportDtype;
  readonly token?: string;
  readonly title?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const HELP = `
Formats:
  kohya              one .safetensors file: ComfyUI, AUTOMATIC1111, Forge, InvokeAI and diffusers load it (the default)
  diffusers          one .safetensors file with alpha in its header: load_lora_weights of diffusers 0.35 and later
  peft               a folder with adapter_config.json: PeftModel.from_pretrained
  textual-inversion  soft tokens as an embedding file (the default for soft tokens, which have no other format)
  merged             a whole model in diffusers layout with the adapter in its weights: every program that loads models

The header of the file says what the adapter was trained for, which model it belongs to, and, where a report of "evenhand
evaluate" or "evenhand demo" about it lies beside it or is named by --evaluation, its bias before and after with intervals and
the hashes of the classifiers that judged. docs/adapters.md says which file goes where.

Examples:
  evenhand export runs/gender --format kohya -o fair-gender.safetensors
  evenhand export runs/gender --best --format merged --dtype float16 -o models/fair
  evenhand export runs/demo -o fair.safetensors --evaluation runs/demo
  evenhand export runs/prompt/adapter.safetensors --token "<fair>" -o fair-token.safetensors`;

/** Makes the command. */
export function exportCommand(io: Io): Command {
  return new Command('export')
    .summary('write an adapter for other programs')
    .description(
      'Writes an adapter in the format that another program loads, or the model with the adapter merged in.',
    )
    .argument('<adapter>', 'adapter file or folder, or the folder of a run')
    .addOption(new Option('-f, --format <name>', 'what is written').choices(EXPORT_FORMATS))
    .requiredOption('-o, --output <path>', 'file, or folder for peft and merged')
    .option(
      '-m, --model <name>',
      "model that it belongs to: a folder, a checkpoint, a hub id, portraits (default: the run's, else portraits)",
    )
    .option('--variant <name>', "the model's weight files to take: fp16")
    .addOption(
      new Option(
        '--prediction-type <name>',
        "what the model's U-Net predicts (default: what its files say)",
      ).choices(PREDICTION_TYPES),
    )
    .option('--best', "the run's best validation in place of its last state")
    .option('--evaluation <folder>', 'report of the adapter (default: the one beside it, if it is about it)')
    .addOption(
      new Option(
        '--dtype <name>',
        'element type (default: float32; of merged models: as they are stored)',
      ).choices(EXPORT_DTYPES),
    )
    .option('--token <name>', 'name of soft tokens, which diffusers takes from the file', 'emb_params')
    .option('--title <text>', 'title in the header (default: the name of the output)')
    .option('--force', 'replace what is there')
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((adapter: string, options: ExportCommandOptions) => runCommand(adapter, options, io));
}

async function runCommand(at: string, options: ExportCommandOptions, io: Io): Promise<void> {
  const source = findAdapter(at, options.best);
  const output = path.resolve(options.output);
  const isOverItself = output === source.adapter || source.adapter.startsWith(`${output}${path.sep}`);
  if (isOverItself)
    throw new UsageError(`--output ${options.output}: expected another place than the adapter's own`);
  if (existsSync(output) && !options.force) {
    throw new UsageError(`--output ${options.output}: is there already; --force replaces it`);
  }
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(async (signal) => {
      const { dtype, format, token, variant, predictionType, title = path.parse(output).name } = options;
      const request = { source, output, format, dtype, token, variant, title };
      const { model, evaluation } = options;
      const done = await carryOutExport(
        { ...request, prediction: predictionType, model, evaluation, replace: options.force === true },
        progress,
        signal,
        (name) => fetchModel(name, progress, signal, variant),
      );
      const bytes = statSync(done.path).isFile() ? statSync(done.path).size : folderBytes(done.path);
      progress.note(`${done.path}: ${done.format}, ${formatBytes(bytes)}`);
      if (done.measured !== null) progress.note(`measured fairness is in its header, from ${done.measured}`);
      progress.result({ command: 'export', ...done, bytes });
    }, progress.note);
  } finally {
    progress.finish();
  }
}
