/** Fingerprints of everything whose weights a run's numbers follow from. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { filesOfFaceModel } from '../faces/index.ts';
import { locateJudges } from '../fairness/index.ts';
import { fingerprintOf } from '../weights/fingerprint.ts';
import { DRAWING_FOLDERS } from '../weights/relevant_files.ts';
import type { FinetuneConfig } from './config.ts';
import { configuredJudges } from './config.ts';

/**
 * Fingerprints of the model, of the judges in the loss and of the objectives' files, by what they are. The guard's judges only look
 * on, and are left out, as they are of the configuration's digest.
 * @param directory model directory, or a single-file checkpoint
 * @throws Error naming the first folder or file that is missing
 */
export function weightsOfRun(config: FinetuneConfig, directory: string): Record<string, string> {
  const judges = locateJudges(directory, configuredJudges(config));
  const drawing = statSync(directory).isFile()
    ? { model: [directory] }
    : Object.fromEntries(
        DRAWING_FOLDERS.map((name) => [name, [path.join(directory, name)].filter(existsSync)]),
      );
  const files: Readonly<Record<string, readonly (string | null)[]>> = {
    ...drawing,
    detector: [judges.detector],
    classifier: judges.classifiers,
    embedder: [judges.embedder],
    bank: [judges.bank],
    clip: [judges.clip],
    dino: [judges.dino],
    ...Object.fromEntries(config.objectives.map(({ file }) => [file, [file]])),
  };
  return Object.fromEntries(
    Object.entries(files)
      .map(([role, at]) => [role, at.filter((each) => each !== null)] as const)
      .filter(([, at]) => at.length > 0)
      .map(([role, at]) => [role, fingerprintOf(at.flatMap(filesOfFaceModel))]),
  );
}
