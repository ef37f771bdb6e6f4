/** The tiny model together with tiny judges, for whole fine-tuning runs and evaluations. */

import { cpSync } from 'node:fs';
import path from 'node:path';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { writeFaceBank } from '../src/faces/index.ts';
import { writeCompanion } from '../src/faces/testing/companions.ts';
import { openSafetensors, readTensorFloat32 } from '../src/weights/safetensors.ts';
import { writeSafetensors } from '../src/weights/safetensors_writer.ts';
import { writeTinyModel } from './tiny_model.ts';

/** The detector's constant in front of its scores. */
const SCORE_BIAS = 'score.bias';
/** Logit that every cell of a detector's map gains when it is to see a face in every image. */
const FACE_LOGIT = 8;

/**
 * Writes model, judges of the loss, face bank and the classifier of evaluations into `folder`.
 * @param options `seesFaces`: the detector finds a face in every image; left as drawn at random it finds almost none
 */
export function writeTinyJudgedModel(folder: string, options: { readonly seesFaces?: boolean } = {}): void {
  writeTinyModel(folder);
  for (const name of ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino']) {
    writeCompanion(folder, name);
  }
  if (options.seesFaces) raiseScores(path.join(folder, 'face_detector', 'model.safetensors'));
  cpSync(path.join(folder, 'classifier'), path.join(folder, 'classifier_evaluation'), { recursive: true });
  const embeddings = gaussianNoise({ seed: 8 }, 20 * 10);
  writeFaceBank(path.join(folder, 'face_bank.safetensors'), { embeddings, dimension: 10 });
}

function raiseScores(file: string): void {
  const opened = openSafetensors(file);
  const tensors = [...opened.tensors].map(([name, { shape }]) => {
    const data = readTensorFloat32(opened, name);
    return [
      name,
      { dtype: 'F32' as const, shape, data: name === SCORE_BIAS ? data.map((v) => v + FACE_LOGIT) : data },
    ] as const;
  });
  if (!opened.tensors.has(SCORE_BIAS)) throw new Error(`${file}: expected a tensor ${SCORE_BIAS}`);
  writeSafetensors(file, new Map(tensors));
}
