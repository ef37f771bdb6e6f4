/** Opens the models of a configured guard, and refuses those that the loss itself uses. */

import path from 'node:path';
import type { FaceDetector } from '../faces/index.ts';
import { loadFaceEmbedder, openFaceBank } from '../faces/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import type { FinetuneConfig } from './config.ts';
import type { RunGuard } from './guard.ts';
import { createGuard } from './guard.ts';

/** Folders of the loss's judges within a model directory, where a configuration names no others. */
const LOSS_FOLDERS = Object.freeze({ clip: 'clip', dino: 'dino', embedder: 'face_embedder' });

/**
 * The guard of a configuration; null where it has none.
 * @param directory model directory; relative folders lie in it
 * @param detector finds the faces
 * @throws Error when a model of the guard is in the loss: what is optimised can't tell whether it is being deceived
 */
export function openGuard(
  runtime: Runtime,
  config: FinetuneConfig,
  directory: string,
  detector: FaceDetector,
  batchSize?: number,
): RunGuard | null {
  const { guard } = config;
  if (guard === undefined) return null;
  const at = (folder: string) => path.resolve(directory, folder);
  const used = {
    clip: config.loss.imageWeight > 0,
    dino: config.loss.imageWeight > 0,
    embedder: config.loss.faceWeight > 0,
  };
  for (const kind of ['clip', 'dino', 'embedder'] as const) {
    const folder = guard[kind];
    const inLoss = config.judges?.[kind] === undefined ? LOSS_FOLDERS[kind] : config.judges[kind];
    if (folder !== undefined && inLoss !== null && used[kind] && at(folder) === at(inLoss)) {
      throw new Error(
        `guard.${kind}: expected a model that is not in the loss, received ${folder}; ` +
          'name another one, or leave this one out of the loss (judges)',
      );
    }
  }
  const { clip, dino, embedder, bank } = guard;
  const encoders = [
    ...(clip === undefined ? [] : [loadClipImageEncoder(at(clip))]),
    ...(dino === undefined ? [] : [loadDinoImageEncoder(at(dino))]),
  ];
  const face =
    embedder === undefined || bank === undefined
      ? null
      : { embedder: loadFaceEmbedder(at(embedder)), bank: openFaceBank(at(bank)) };
  const limits = { semantics: guard.semanticsDrop, realism: guard.realismDrop };
  return createGuard(runtime, { encoders, face, detector }, limits, batchSize);
}
