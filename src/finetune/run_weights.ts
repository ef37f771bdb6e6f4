/** Fingerprints of everything whose weights a run's numbers follow from. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { filesOfCard, isCard } from '../faces/index.ts';
import { locateJudges } from '../fairness/index.ts';
import { fingerprintOf } from '../weights/fingerprint.ts';
import type { FinetuneConfig } from './config.ts';
import { configuredJudges } from './config.ts';

/** What of a model directory draws. */
const COMPONENTS = ['text_encoder', 'tokenizer', 'unet', 'vae', 'scheduler'] as const;

/**
 * Fingerprints of the model, of the judges in the loss and of the objectives' files, by what they are. The guard's judges only look
 * on, and are left out, as they are of the configuration's digest.
 * @param directory model directory, or a single-file checkpoint
 * @throws Error naming the first folder or file that is missing
 */
export function weightsOfRun(config: FinetuneConfig, directory: string): Record<string, string> {
  const judges = locateJudges(directory, configuredJudges(config));
  const files: [role: string, at: readonly (string | null)[]][] = [
    ...(statSync(directory).isFile()
      ? [['model', [directory]] as [string, string[]]]
      : COMPONENTS.map((name): [string, string[]] => [
          name,
          [path.join(directory, name)].filter(existsSync),
        ])),
    ['detector', [judges.detector]],
    ['classifier', judges.classifiers],
    ['embedder', [judges.embedder]],
    ['bank', [judges.bank]],
    ['clip', [judges.clip]],
    ['dino', [judges.dino]],
    ...config.objectives.map(({ file }): [string, string[]] => [file, [file]]),
  ];
  return Object.fromEntries(
    files
      .map(([role, at]) => [role, at.filter((each) => each !== null)] as const)
      .filter(([, at]) => at.length > 0)
      .map(([role, at]) => [
        role,
        fingerprintOf(at.flatMap((each) => (isCard(each) ? filesOfCard(each) : [each]))),
      ]),
  );
}
