/** The tiny model together with tiny judges, for whole fine-tuning runs and evaluations. */

import { cpSync } from 'node:fs';
import path from 'node:path';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { writeFaceBank } from '../src/faces/index.ts';
import { writeCompanion } from '../src/faces/testing/companions.ts';
import { writeTinyModel } from './tiny_model.ts';

/** Writes model, judges of the loss, face bank and the classifier of evaluations into `folder`. */
export function writeTinyJudgedModel(folder: string): void {
  writeTinyModel(folder);
  for (const name of ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino']) {
    writeCompanion(folder, name);
  }
  cpSync(path.join(folder, 'classifier'), path.join(folder, 'classifier_evaluation'), { recursive: true });
  const embeddings = gaussianNoise({ seed: 8 }, 20 * 10);
  writeFaceBank(path.join(folder, 'face_bank.safetensors'), { embeddings, dimension: 10 });
}
