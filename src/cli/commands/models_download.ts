/** `evenhand models download`: brings a model of the Hugging Face hub into the cache that its libraries share. */

import { Command } from 'commander';
import { parseHubId } from '../../weights/hub/hub_id.ts';
import { hubSettings } from '../../weights/hub/settings.ts';
import { cancellable } from '../cancellation.ts';
import { UsageError } from '../errors.ts';
import { downloadWithProgress } from '../hub_models.ts';
import type { Io } from '../io.ts';
import { formatBytes } from '../models.ts';
import { jsonOption } from '../options.ts';
import { createProgress } from '../progress.ts';

interface DownloadCommandOptions {
  readonly revision?: string;
  readonly variant?: string;
  readonly cache?: string;
  readonly json?: boolean;
}

const HELP = `
Brought are model_index.json, configurations, tokenizer and safetensors weights of U-Net, autoencoder and text encoder: no
.bin, .ckpt, ONNX or Flax weights, no safety checker, no single-file checkpoint beside the folders. Files are compared with
the hashes that the hub lists. A download that was cut or stopped with Ctrl-C goes on with the same command.

The cache is that of huggingface_hub, so that diffusers finds what is downloaded here and the other way round. These
variables are those of its libraries: HF_HUB_CACHE, HF_HOME (where the cache is), HF_TOKEN (for gated and private models),
HF_ENDPOINT (another hub), HF_HUB_OFFLINE=1 (the cache alone).

Afterwards --model organisation/name works everywhere; it would also download by itself.

Examples:
  evenhand models download stable-diffusion-v1-5/stable-diffusion-v1-5 --variant fp16
  evenhand models download organisation/name --revision refs/pr/3
      a pull request, for instance one that brings safetensors; then --model organisation/name@refs/pr/3`;

/** Makes the command. */
export function downloadCommand(io: Io): Command {
  return (
    new Command('download')
      .summary('download a model of the Hugging Face hub')
      .description('Downloads what is needed of a model of the Hugging Face hub into the shared cache.')
      .argument('<hub id>', 'organisation/name, or organisation/name@revision')
      .option('--revision <name>', 'branch, tag, commit or refs/pr/NUMBER (default: main)')
      .option('--variant <name>', 'weights to take where there are several: fp16')
      .option(
        '--cache <folder>',
        'cache in place of HF_HUB_CACHE; commands find it again only through HF_HUB_CACHE',
      )
      .addOption(jsonOption())
      .addHelpText('after', HELP)
      // The command above has --json too, and takes it wherever it stands.
      .action((name: string, _: object, command: Command) => download(name, command.optsWithGlobals(), io))
  );
}

async function download(name: string, options: DownloadCommandOptions, io: Io): Promise<void> {
  const { revision, variant, cache, json = false } = options;
  const model = parseHubId(revision === undefined ? name : `${name}@${revision}`);
  if (model === null) {
    const given = revision === undefined ? name : `${name} with the revision ${revision}`;
    throw new UsageError(`models download: expected a hub id such as organisation/name, received ${given}`);
  }
  const progress = createProgress({ json, output: io.stdout, display: io.stderr });
  try {
    const found = await cancellable(
      (signal) => downloadWithProgress(model, hubSettings(process.env, cache), variant, progress, signal),
      progress.note,
    );
    const { folder, files, bytes, received } = found;
    progress.note(
      `${files} files, ${formatBytes(bytes)}, of which ${formatBytes(received)} were downloaded now\n${folder}`,
    );
    progress.result({ command: 'models download', model: model.id, revision: model.revision, ...found });
  } finally {
    progress.finish();
  }
}
