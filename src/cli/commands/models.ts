/** `evenhand models`: what a model folder holds, and whose face models can be used with it. */

import path from 'node:path';
import { Command } from 'commander';
import { faceModelLines, summarizeFaceModels } from '../face_models.ts';
import type { Io } from '../io.ts';
import { EMBEDDED_MODEL, formatBytes, resolveModel, summarizeModel } from '../models.ts';
import { jsonOption } from '../options.ts';
import { downloadCommand } from './models_download.ts';

const HELP = `
Examples:
  evenhand models
      the shipped model, and the licences of face models that can be installed
  evenhand models ./stable-diffusion-v1-5
      a folder in diffusers layout (model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/)
  evenhand models v1-5-pruned-emaonly.safetensors
      a single-file checkpoint
  evenhand models download stable-diffusion-v1-5/stable-diffusion-v1-5 --variant fp16
      from the Hugging Face hub; "evenhand models download --help" says more`;

/** Makes the command. */
export function modelsCommand(io: Io): Command {
  return new Command('models')
    .summary('show what a model holds, or download one')
    .description(
      'Shows the components of a model: classes, numbers of parameters, sizes and element types.' +
        ' Without a model also the face models of others that Evenhand knows, with their licences.',
    )
    .argument(
      '[model...]',
      `${EMBEDDED_MODEL} when left out; folders in diffusers layout, single-file checkpoints, hub ids of downloaded models`,
    )
    .addCommand(downloadCommand(io))
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((names: readonly string[], { json = false }: { json?: boolean }) => {
      for (const name of names.length === 0 ? [EMBEDDED_MODEL] : names) {
        const summary = summarizeModel(resolveModel(name));
        if (json) {
          io.stdout.write(`${JSON.stringify(summary)}\n`);
          continue;
        }
        const licence = name === EMBEDDED_MODEL ? ', Apache-2.0' : '';
        io.stdout.write(
          `${name} (${summary.pipelineClass}${licence})\n  ${path.relative('.', summary.path) || '.'}\n`,
        );
        for (const { name: component, className, parameters, bytes, dtypes } of summary.components) {
          const weights =
            parameters === 0
              ? ''
              : `${(parameters / 1e6).toPrecision(3)} M parameters, ${formatBytes(bytes)}, ${dtypes.join(' and ')}`;
          io.stdout.write(
            `  ${component.padEnd(14)} ${className.padEnd(28)} ${weights}`.trimEnd().concat('\n'),
          );
        }
        if (summary.companions.length > 0) {
          io.stdout.write(`  beside them, for fine-tuning and measuring: ${summary.companions.join(', ')}\n`);
        }
      }
      if (names.length > 0) return;
      const faces = json ? [JSON.stringify({ faceModels: summarizeFaceModels() })] : faceModelLines();
      io.stdout.write(`${faces.join('\n')}\n`);
    });
}
