/** Jobs as the API shows them. */

import type { z } from 'zod';
import type { ServerContext } from '../context.ts';
import type { jobFileSchema, jobSchema } from '../schemas/jobs.ts';
import { listFiles, mediaTypeOf } from '../storage/files.ts';
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

/** Files of a job that it shows. */
export function jobFiles({ data }: ServerContext, id: string): z.infer<typeof jobFileSchema>[] {
  return listFiles(data.jobFolder(id), PRIVATE_FOLDERS).map(({ name, bytes }) => ({
    name,
    bytes,
    mediaType: mediaTypeOf(name),
    url: fileUrl(id, name),
  }));
}
