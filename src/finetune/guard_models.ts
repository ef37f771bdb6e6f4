/** Chooses and opens the models of a configured guard, and refuses those that the loss itself uses. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { FaceDetector } from '../faces/index.ts';
import { loadFaceEmbedder, locateFaceModel, openFaceBank } from '../faces/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import type { FinetuneConfig } from './config.ts';
import { configuredJudges } from './config.ts';
import type { RunGuard } from './guard.ts';
import { createGuard } from './guard.ts';

/** Judges within a model directory, where a configuration names no others. */
const FOLDERS = Object.freeze({
  clip: 'clip',
  dino: 'dino',
  embedder: 'face_embedder',
  bank: 'face_bank.safetensors',
});

type Kind = 'clip' | 'dino' | 'embedder';

/** Encoders of a model directory that a guard takes where its configuration names none: the first that is there and not in the loss. */
const ENCODERS = Object.freeze({
  clip: ['clip_evaluation', FOLDERS.clip],
  dino: ['dino_evaluation', FOLDERS.dino],
});

/** The same of the embedders, each with the bank of its own. */
const EMBEDDERS = Object.freeze([
  { embedder: 'face_embedder_evaluation', bank: 'face_bank_evaluation.safetensors' },
  { embedder: FOLDERS.embedder, bank: FOLDERS.bank },
]);

/** Where the models of a guard lie, as absolute paths; null for one that takes no part. */
export interface GuardFolders {
  readonly clip: string | null;
  readonly dino: string | null;
  /** Folder or card; there together with `bank`. */
  readonly embedder: string | null;
  readonly bank: string | null;
}

const NO_FACES = Object.freeze({ embedder: null, bank: null });

/** Absolute paths of the models that the loss uses; null for one that takes no part in it. */
function modelsOfLoss(config: FinetuneConfig, directory: string): Record<Kind, string | null> {
  const { imageWeight, faceWeight } = config.loss;
  const judges = configuredJudges(config);
  const weights = { clip: imageWeight, dino: imageWeight, embedder: faceWeight };
  const used = (kind: Kind) => {
    const name = judges[kind] === undefined ? FOLDERS[kind] : judges[kind];
    if (name === null || weights[kind] === 0) return null;
    return kind === 'embedder' ? faceModel(name, directory) : path.resolve(directory, name);
  };
  return { clip: used('clip'), dino: used('dino'), embedder: used('embedder') };
}

/** Path of a face model in a model directory, or of a card; the path in the directory where there is neither. */
function faceModel(name: string, directory: string): string {
  try {
    return locateFaceModel(name, directory);
  } catch {
    return path.resolve(directory, name);
  }
}

/**
 * The models of a configuration's guard; null where it has none. Of what the configuration leaves out, those of the model
 * directory take part that are not in the loss: `clip_evaluation`, `dino_evaluation` and `face_embedder_evaluation` with its
 * bank, else `clip`, `dino` and `face_embedder`.
 * @param directory model directory; relative folders lie in it
 * @throws Error when a model of the guard is in the loss, for what is optimised can't tell whether it is being deceived; or when
 * there is no other model at all
 */
export function guardFolders(config: FinetuneConfig, directory: string): GuardFolders | null {
  const { guard } = config;
  if (guard === undefined) return null;
  const inLoss = modelsOfLoss(config, directory);
  const at = (name: string) => path.resolve(directory, name);
  const isFree = (kind: Kind, file: string) => file !== inLoss[kind] && existsSync(file);
  const accepted = (kind: Kind, file: string): string => {
    if (file !== inLoss[kind]) return file;
    throw new Error(
      `guard.${kind}: expected a model that is not in the loss, received ${guard[kind]}; ` +
        'name another one, or leave this one out of the loss (judges)',
    );
  };
  const encoder = (kind: 'clip' | 'dino'): string | null => {
    const named = guard[kind];
    if (named === null) return null;
    if (named !== undefined) return accepted(kind, at(named));
    return ENCODERS[kind].map(at).find((file) => isFree(kind, file)) ?? null;
  };
  const faces = (): Pick<GuardFolders, 'embedder' | 'bank'> => {
    const { embedder, bank } = guard;
    if (embedder === null) return NO_FACES;
    if (embedder !== undefined)
      return { embedder: accepted('embedder', faceModel(embedder, directory)), bank: at(bank!) };
    const pairs = EMBEDDERS.map((pair) => ({ embedder: at(pair.embedder), bank: at(pair.bank) }));
    return pairs.find((pair) => isFree('embedder', pair.embedder) && existsSync(pair.bank)) ?? NO_FACES;
  };
  const folders = { clip: encoder('clip'), dino: encoder('dino'), ...faces() };
  if (folders.clip !== null || folders.dino !== null || folders.embedder !== null) return folders;
  throw new Error(
    'guard: expected a model that is not in the loss, found none; name one (guard.clip, guard.dino, or guard.embedder with ' +
      'its guard.bank), or leave one out of the loss (judges)',
  );
}

/**
 * The guard of a configuration; null where it has none.
 * @param detector finds the faces
 * @throws Error as {@link guardFolders}, or naming the file that is missing or wrong
 */
export function openGuard(
  runtime: Runtime,
  config: FinetuneConfig,
  directory: string,
  detector: FaceDetector,
  batchSize?: number,
): RunGuard | null {
  const folders = guardFolders(config, directory);
  if (folders === null) return null;
  const { clip, dino, embedder, bank } = folders;
  const encoders = [
    ...(clip === null ? [] : [loadClipImageEncoder(clip)]),
    ...(dino === null ? [] : [loadDinoImageEncoder(dino)]),
  ];
  const face =
    embedder === null || bank === null
      ? null
      : { embedder: loadFaceEmbedder(embedder), bank: openFaceBank(bank) };
  const limits = { semantics: config.guard!.semanticsDrop, realism: config.guard!.realismDrop };
  return createGuard(runtime, { encoders, face, detector }, limits, batchSize);
}
