/** The best validation of a run: its averaged tensors in a file of their own, replaced only by a better one. */

import path from 'node:path';
import type { StoredTensor } from './checkpoint.ts';
import { loadLatestCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { tensorsOf } from './run_state.ts';
import type { BestValidation, FinetuneSettings } from './settings.ts';

/** The best validation with its averaged tensors. */
export interface BestCheckpoint extends BestValidation {
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

function folderOf({ directory }: FinetuneSettings): string {
  return path.join(directory, 'best');
}

/** Ties a best validation to what it was measured on and by; values of another validation can't be compared. */
function tieOf({ digest, validation }: FinetuneSettings): string {
  return JSON.stringify([digest, validation]);
}

/** Whether two ties are of the same kind of validation; how often there is one doesn't matter. */
function isAlike(one: string | undefined, other: string): boolean {
  const withoutEvery = (tie: string) =>
    JSON.stringify(JSON.parse(tie), (key, value) => (key === 'every' ? undefined : value));
  return one !== undefined && withoutEvery(one) === withoutEvery(other);
}

/**
 * The best validation so far, of the same configuration and the same kind of validation; `null` when there is none. One that
 * lies past iteration `last`, from before a crash, is forgotten: it will come again.
 */
export function loadBest(settings: FinetuneSettings, last: number): BestCheckpoint | null {
  const found = loadLatestCheckpoint(folderOf(settings), (message) => process.emitWarning(message));
  if (found === null || !isAlike(found.metadata.tie, tieOf(settings)) || found.step > last) return null;
  const { metric = '', value } = found.metadata;
  return { iteration: found.step, metric, value: Number(value), tensors: tensorsOf(found, 'average') };
}

/**
 * Keeps a validation if it is the first or better than the best: smaller or larger, as the settings say; of equal ones the
 * earlier stays, and one that isn't finite is never the best.
 * @throws Error when validation doesn't measure the metric
 * @returns the best one now; `null` while none could be compared
 */
export function keepIfBest(
  settings: FinetuneSettings,
  best: BestCheckpoint | null,
  iteration: number,
  numbers: Readonly<Record<string, number>>,
  average: ReadonlyMap<string, Float32Array>,
): BestCheckpoint | null {
  const choice = settings.validation.best;
  if (choice === undefined) return best;
  const { metric, goal } = choice;
  const value = numbers[metric];
  if (value === undefined) {
    throw new Error(
      `validation.best.metric: expected one of ${Object.keys(numbers).join(', ')}, received ${metric}`,
    );
  }
  if (!Number.isFinite(value)) return best;
  const isBetter = best === null || (goal === 'smallest' ? value < best.value : value > best.value);
  if (!isBetter) return best;
  const tensors = new Map([...average].map(([name, data]) => [name, data.slice()]));
  const stored = new Map<string, StoredTensor>(
    [...tensors].map(([name, data]) => [`average/${name}`, { shape: [data.length], data }]),
  );
  const metadata = { tie: tieOf(settings), metric, value: String(value) };
  saveCheckpoint(folderOf(settings), { step: iteration, tensors: stored, metadata }, 1);
  return { iteration, metric, value, tensors };
}
