/** Jobs as the API shows them. */

import type { z } from 'zod';
import type { ServerContext } from '../context.ts';
import type { jobFileSchema, jobSchema } from '../schemas/jobs.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import type { Whereabouts } from '../storage/file_store.ts';
import { isPlainPath, mediaTypeOf } from '../storage/files.ts';
import type { JobRow } from '../storage/jobs.ts';
import { jobsAhead } from '../storage/jobs.ts';

/** A job as the API shows it. */
export type ShownJob = z.infer<typeof jobSchema>;

/** Folders of a job that are the work's own and nobody else's. */
const PRIVATE_FOLDERS = ['checkpoints', 'best', 'judged'];

/** Address of a job's file. */
export function fileUrl(id: string, name: string): string {
  return `/api/v1/jobs/${id}/files/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** A row as the API shows it. */
export async function describeJob({ db }: ServerContext, row: JobRow): Promise<ShownJob> {
  const time = (date: Date | null) => date?.toISOString() ?? null;
  return {
    id: row.id,
    kind: row.kind,
    status: row.status,
    request: row.request,
    result: row.result,
    progress: row.progress,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    ahead: row.status === 'queued' ? await jobsAhead(db, row) : null,
    attempts: row.attempts,
    createdAt: row.created_at.toISOString(),
    startedAt: time(row.started_at),
    finishedAt: time(row.finished_at),
  } as ShownJob;
}

/** Whether a job shows a file of this name, if it has one. */
export function isShown(name: string): boolean {
  const folders = name.split('/').slice(0, -1);
  return isPlainPath(name) && !folders.some((folder) => PRIVATE_FOLDERS.includes(folder));
}

/** Where a job's files are looked for: what this server works on is here, images never change, other work may have gone on. */
export function whereaboutsOf({ data }: ServerContext, { kind, status, owner }: JobRow): Whereabouts {
  if (status === 'running' && owner === data.owner) return 'here';
  return kind === 'generate' ? 'fixed' : 'changing';
}

/** Files of a job that it shows. @throws StorageFault when the storage does not answer */
export async function jobFiles(
  context: ServerContext,
  row: JobRow,
): Promise<z.infer<typeof jobFileSchema>[]> {
  const all = await context.files.list(folderOfJob(row.id), whereaboutsOf(context, row));
  return all
    .filter(({ name }) => isShown(name))
    .map(({ name, bytes }) => ({ name, bytes, mediaType: mediaTypeOf(name), url: fileUrl(row.id, name) }));
}
