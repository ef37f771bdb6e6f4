/** Keeps the folder of a fine-tuning or evaluation: now and then while it runs, so that another server can go on, and at its end. */

import type { ServerContext } from '../context.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import { isLeased } from '../storage/jobs.ts';

/** Keeps one job's folder while this server works on it. */
export interface JobKeeper {
  /** Brings the folder to where the job can go on. @throws StorageFault */
  restore(): Promise<void>;
  /**
   * Says that there is something worth keeping; that happens behind.
   * @param pauseMilliseconds at least so long after the last time; a later call or the end of the job keeps what this one left out
   */
  due(pauseMilliseconds?: number): void;
  /** Keeps everything as it is now, unless another server has taken the job over. @throws StorageFault */
  keep(): Promise<void>;
}

/**
 * Order in which the files of a run are kept: what the run can go on from comes last, and its digests after it, so that a bucket in
 * which only some of them arrived still has an older checkpoint that is whole, and no log that is too short for the newest.
 */
export function rankOfFile(name: string): number {
  const place = name.startsWith('checkpoints/') ? 3 : name.startsWith('best/') ? 1 : 0;
  return place > 0 && name.endsWith('.sha256') ? place + 1 : place;
}

/** Makes the keeper of a job. */
export function jobKeeper(
  { db, data, files }: Pick<ServerContext, 'db' | 'data' | 'files'>,
  job: string,
  onFault: (error: unknown) => void,
  now: () => number = () => performance.now(),
): JobKeeper {
  const folder = folderOfJob(job);
  let last = Number.NEGATIVE_INFINITY;
  let isBusy = false;
  let isDue = false;
  const keep = async () => {
    if (await isLeased(db, job, data.owner)) await files.keepFolder(folder, rankOfFile);
  };
  const keepBehind = async () => {
    isBusy = true;
    while (isDue) {
      isDue = false;
      last = now();
      // What could not be kept now is kept the next time.
      await keep().catch(onFault);
    }
    isBusy = false;
  };
  return Object.freeze({
    restore: () => files.restoreFolder(folder),
    due(pauseMilliseconds = 0) {
      if (files.kind === 'folder' || now() - last < pauseMilliseconds) return;
      isDue = true;
      if (!isBusy) void keepBehind();
    },
    async keep() {
      isDue = false;
      if (files.kind !== 'folder') await keep();
    },
  });
}
