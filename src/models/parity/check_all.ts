/** The checkers of this room's models, and running any list of checkers over a folder of golden numbers. */

import { Runtime } from '../../graph/index.ts';
import { clipTextChecker } from './check_clip_text.ts';
import { clipVisionChecker } from './check_clip_vision.ts';
import { dinov2Checker } from './check_dinov2.ts';
import { loraChecker } from './check_lora.ts';
import { resizeChecker } from './check_resize.ts';
import { unetChecker } from './check_unet.ts';
import { vaeChecker } from './check_vae.ts';
import type { CaseResult, Checker } from './comparison.ts';
import { openFixtures } from './fixture.ts';

/** Checkers of the models: one for each folder of fixtures. */
export const modelCheckers: readonly Checker[] = Object.freeze([
  vaeChecker,
  unetChecker,
  clipTextChecker,
  clipVisionChecker,
  dinov2Checker,
  loraChecker,
  resizeChecker,
]);

/**
 * Runs checkers one after another on the CPU.
 * @param path folder of fixtures
 * @param report called with each case as soon as it is done
 * @returns all cases
 */
export async function checkParity(
  path: string,
  checkers: readonly Checker[],
  report: (result: CaseResult) => void = () => {},
): Promise<CaseResult[]> {
  const fixtures = openFixtures(path);
  // The golden models are so small that a second thread only costs time.
  const runtime = new Runtime({ threads: 1 });
  const results: CaseResult[] = [];
  try {
    for (const checker of checkers) {
      for await (const result of checker.check({ fixtures, runtime })) {
        results.push(result);
        report(result);
      }
    }
  } finally {
    await runtime.close();
  }
  return results;
}
