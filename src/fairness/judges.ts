/** Opening all judges of a model directory by the folder names that ship with Portraits. */

import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { loadAttributeModel } from '../faces/attributes.ts';
import { openFaceBank } from '../faces/bank.ts';
import { locateFaceModel } from '../faces/cards/locate.ts';
import type { DetectionOptions } from '../faces/detection.ts';
import { loadFaceDetector } from '../faces/detection.ts';
import { loadFaceEmbedder } from '../faces/embedding.ts';
import { joinAttributeModels } from '../faces/joined.ts';
import type { Runtime } from '../graph/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from './image_encoder.ts';
import type { LossModels } from './image_loss.ts';

/**
 * Folders of the judges; relative ones lie in the model directory. Null leaves a judge out. Detector, classifiers and embedder
 * may also be cards of other people's models, by file or by the name of a shipped card.
 */
export interface JudgeFolders {
  readonly detector?: string;
  /** Several classifiers judge together, each its own attributes. */
  readonly classifier?: string | readonly string[];
  readonly embedder?: string | null;
  /** A safetensors file. */
  readonly bank?: string | null;
  readonly clip?: string | null;
  readonly dino?: string | null;
}

const FOLDERS = Object.freeze({
  detector: 'face_detector',
  classifier: 'classifier',
  embedder: 'face_embedder',
  bank: 'face_bank.safetensors',
  clip: 'clip',
  dino: 'dino',
});

/** Where judges lie, as absolute paths; null for one that is left out. */
export interface LocatedJudges {
  /** Folder or card, as are classifiers and embedder. */
  readonly detector: string;
  readonly classifiers: readonly string[];
  readonly embedder: string | null;
  /** Null without an embedder as well. */
  readonly bank: string | null;
  readonly clip: string | null;
  readonly dino: string | null;
}

/**
 * Finds every judge.
 * @param directory model directory
 * @param folders other folders than `face_detector`, `classifier`, `face_embedder`, `clip`, `dino` and the file
 * `face_bank.safetensors`
 * @throws Error naming the first folder or file that is missing
 */
export function locateJudges(directory: string, folders: JudgeFolders = {}): LocatedJudges {
  const { detector, classifier, embedder, bank, clip, dino } = { ...FOLDERS, ...folders };
  const at = (name: string | null) => {
    if (name === null) return null;
    const path = isAbsolute(name) ? name : join(directory, name);
    if (!existsSync(path)) throw new Error(`judges: expected ${path}, but there is no such file or folder`);
    return path;
  };
  const face = (name: string) => locateFaceModel(name, directory);
  return Object.freeze({
    detector: face(detector),
    classifiers: [classifier].flat().map(face),
    embedder: embedder === null ? null : face(embedder),
    bank: embedder === null ? null : at(bank),
    clip: at(clip),
    dino: at(dino),
  });
}

/**
 * Opens detector, classifier, face embedder with its bank, CLIP and DINOv2.
 * @param directory model directory
 * @param folders as in {@link locateJudges}
 * @throws Error naming the first folder or file that is missing or wrong
 */
export function loadJudges(
  runtime: Runtime,
  directory: string,
  folders: JudgeFolders = {},
  detection: DetectionOptions = {},
): LossModels {
  const { detector, classifiers, embedder, bank, clip, dino } = locateJudges(directory, folders);
  return Object.freeze({
    detector: loadFaceDetector(runtime, detector, detection),
    classifier: joinAttributeModels(classifiers.map((at) => loadAttributeModel(at))),
    face:
      embedder === null
        ? null
        : Object.freeze({
            embedder: loadFaceEmbedder(embedder),
            bank: bank === null ? null : openFaceBank(bank),
          }),
    encoders: Object.freeze([
      ...(clip === null ? [] : [loadClipImageEncoder(clip)]),
      ...(dino === null ? [] : [loadDinoImageEncoder(dino)]),
    ]),
  });
}
