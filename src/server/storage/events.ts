/** Events of jobs: read from the database in order, and awaited without asking it all the time. */

import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';

/** An event as it is stored. */
export interface StoredEvent {
  readonly id: number;
  readonly type: string;
  readonly data: unknown;
}

/** Events of a job after one of them, at most `limit`. */
export async function eventsAfter(
  db: Kysely<Database>,
  job: string,
  after: number,
  limit = 500,
): Promise<readonly StoredEvent[]> {
  return db
    .selectFrom('job_events')
    .select(['id', 'type', 'data'])
    .where('job', '=', job)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** A picture of unfinished work, which is sent to those who watch and stored nowhere. */
export interface Preview {
  readonly index: number;
  readonly preview: number;
  readonly step: number;
  readonly steps: number;
  /** PNG, base64. */
  readonly png: string;
}

/** Who watches which job, in this process. */
export interface JobWatch {
  /** Something about the job changed in the database. */
  changed(id: string): void;
  preview(id: string, preview: Preview): void;
  /** Newest preview of any job; null before the first, and after its job has ended. */
  latest(): { readonly job: string; readonly preview: Preview } | null;
  /**
   * Watches a job.
   * @returns waiting for the next change, at most `milliseconds`; what to call at the end
   */
  open(
    id: string,
    onPreview?: (preview: Preview) => void,
  ): { next(milliseconds: number): Promise<void>; close(): void };
}

/** Makes the place where those who change jobs meet those who watch them. */
export function createJobWatch(): JobWatch {
  interface Watcher {
    changed(): void;
    preview(preview: Preview): void;
  }
  const watchers = new Map<string, Set<Watcher>>();
  let latest: { job: string; preview: Preview } | null = null;
  return {
    changed(id) {
      for (const watcher of watchers.get(id) ?? []) watcher.changed();
    },
    preview(id, preview) {
      latest = { job: id, preview };
      for (const watcher of watchers.get(id) ?? []) watcher.preview(preview);
    },
    latest: () => latest,
    open(id, onPreview = () => {}) {
      let changes = 0;
      let seen = 0;
      let wake = () => {};
      const watcher: Watcher = {
        changed() {
          changes++;
          wake();
        },
        preview: onPreview,
      };
      const all = watchers.get(id) ?? new Set<Watcher>();
      watchers.set(id, all.add(watcher));
      return {
        async next(milliseconds) {
          if (changes === seen) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, milliseconds);
              wake = () => {
                clearTimeout(timer);
                resolve();
              };
            });
          }
          seen = changes;
        },
        close() {
          all.delete(watcher);
          if (all.size === 0) watchers.delete(id);
          wake();
        },
      };
    },
  };
}
