/** `evenhand faces`: what fine-tuning needs of real faces. */

import path from 'node:path';
import { Command, Option } from 'commander';
import { cancellable } from '../cancellation.ts';
import { UsageError } from '../errors.ts';
import type { BankModels, BankRequest } from '../face_bank.ts';
import { buildFaceBank } from '../face_bank.ts';
import type { Io } from '../io.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import { deviceOption, integer, jsonOption, threadsOption } from '../options.ts';
import { PORTRAITS } from '../package.ts';
import { createProgress } from '../progress.ts';

interface BankOptions extends RuntimeChoice, Partial<BankModels> {
  readonly output: string;
  readonly side: number;
  readonly drawn?: boolean;
  readonly seed: number;
  readonly scenes: number;
  readonly perGroup: number;
  readonly data: string;
  readonly json?: boolean;
}

/** Who looks at photographs, and who at drawn portraits. */
const MODELS: Readonly<Record<'photographs' | 'drawn', BankModels>> = Object.freeze({
  photographs: { detector: 'blazeface', embedder: 'faceres-embedding' },
  drawn: {
    detector: path.join(PORTRAITS, 'face_detector'),
    embedder: path.join(PORTRAITS, 'face_embedder'),
  },
});

const HELP = `
The face realism loss keeps every generated face close to the real face that is most like it, by the cosine of their
embeddings. A bank holds the embeddings of those real faces, as unit vectors: the largest face of every image, found by
the detector and aligned by its landmarks. Images without a face are left out. A bank belongs to its embedder: name both
in the configuration of a fine-tuning.

Detector and embedder are cards (see "evenhand models") or folders. For photographs they are blazeface and
faceres-embedding unless you name others: npm install @vladmandic/human brings their weights.

Examples:
  evenhand faces bank CelebA/img_align_celeba -o celeba.safetensors
  evenhand finetune my.yaml --set faces.embedder=faceres-embedding --set judges.bank=$PWD/celeba.safetensors
  evenhand faces bank --drawn -o models/portraits/face_bank.safetensors
      how the bank of Portraits was made: 128 portraits of each of the 16 groups`;

/** Makes the command. */
export function facesCommand(io: Io): Command {
  return new Command('faces')
    .summary('build a bank of real faces')
    .description('What fine-tuning needs of real faces.')
    .addCommand(bankCommand(io));
}

function bankCommand(io: Io): Command {
  const { photographs } = MODELS;
  return new Command('bank')
    .summary('embeddings of the faces in a folder, for the face realism loss')
    .description('Builds a bank of real faces from a folder of images, its subfolders included.')
    .argument('[folder]', 'images: png, jpg, webp, avif, tiff')
    .option('-o, --output <file>', 'bank to write', 'bank.safetensors')
    .option('--detector <card>', `who finds the faces (default: ${photographs.detector})`)
    .option('--embedder <card>', `who embeds them (default: ${photographs.embedder})`)
    .option('--side <pixels>', 'images are fitted into squares of this side', integer(32, 4096), 512)
    .option('--drawn', 'draw portraits of Portraits in place of a folder, the same number of every group')
    .addOption(
      new Option('--seed <number>', 'with --drawn: sequence of scenes').argParser(integer(0)).default(3),
    )
    .addOption(
      new Option('--scenes <count>', 'with --drawn: scenes to draw').argParser(integer(1)).default(8000),
    )
    .addOption(
      new Option('--per-group <count>', 'with --drawn: portraits of each group')
        .argParser(integer(1))
        .default(128),
    )
    .option('--data <folder>', 'with --drawn: folder of drawn scenes', path.join('.cache', 'portraits'))
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((folder: string | undefined, options: BankOptions) => build(folder, options, io));
}

async function build(folder: string | undefined, options: BankOptions, io: Io): Promise<void> {
  const request = requestOf(folder, options);
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    const built = await cancellable(
      (signal) =>
        withRuntime(options, progress, (runtime) => buildFaceBank(runtime, request, progress, signal)),
      (text) => progress.note(text),
    );
    const { faces, images, dimension, output } = built;
    progress.note(`${faces} faces of ${images} images, ${dimension} numbers each, written to ${output}`);
    progress.result({ command: 'faces bank', ...built });
  } finally {
    progress.finish();
  }
}

function requestOf(folder: string | undefined, options: BankOptions): BankRequest {
  const { drawn = false, output, side, seed, scenes, perGroup, data } = options;
  if (drawn === (folder !== undefined)) {
    throw new UsageError(
      `faces bank: expected a folder of images or --drawn, received ${drawn ? `both: ${folder}` : 'neither'}`,
    );
  }
  const models = MODELS[drawn ? 'drawn' : 'photographs'];
  const { detector = models.detector, embedder = models.embedder } = options;
  return {
    ...{ output, detector, embedder },
    faces: drawn
      ? { kind: 'drawn', seed, scenes, perGroup, directory: data }
      : { kind: 'photographs', folder: folder!, side },
  };
}
