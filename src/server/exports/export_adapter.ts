/** What an export of an adapter needs of the server: its file, its model, and the evaluations that measured it. */

import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { z } from 'zod';
import type { ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { ExportInput } from '../jobs/tasks.ts';
import type { exportQuery } from '../schemas/exports.ts';
import type { AdapterRow } from '../storage/adapters.ts';
import { openAdapterFile } from '../storage/adapters.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import type { PreparedExport, PreparedExports } from './prepared.ts';

/** How an adapter is exported. */
export type ExportChoice = z.output<typeof exportQuery>;

/** Evaluations whose reports are looked at. */
const MOST_EVALUATIONS = 10;

interface Report {
  readonly job: string;
  readonly file: string;
}

/**
 * Exports an adapter, or gives the export that is there already.
 * @throws ApiFault `does_not_fit` when the format has no place for it, `not_found` when its file or model is gone, `cancelled`
 * after `signal`
 */
export async function exportAdapterOf(
  context: ServerContext,
  exports: PreparedExports,
  row: AdapterRow,
  choice: ExportChoice,
  signal: AbortSignal,
): Promise<PreparedExport> {
  const { files, catalogue, queue } = context;
  const adapterFile = await openAdapterFile(files, row);
  if (adapterFile === null) throw new ApiFault('not_found', `adapter ${row.id}: its file is gone`);
  const { folder: modelFolder } = catalogue.model(row.model);
  const reports = await reportsOn(context, row);
  const key = createHash('sha256')
    .update(JSON.stringify([row.id, row.name, choice, reports.map(({ job }) => job)]))
    .digest('hex');
  return exports.prepare(
    key,
    async (folder, cancelled) => {
      const input: ExportInput = {
        ...choice,
        adapterFile,
        modelFolder,
        name: row.name,
        target: row.target,
        reports: reports.map(({ file }) => file),
        folder,
      };
      const output = await queue.exportAdapter(input, cancelled);
      if ('refused' in output) throw new ApiFault('does_not_fit', output.refused, { field: 'format' });
      const { format, written, report } = output;
      return { format, name: written, evaluation: report === null ? null : reports[report]!.job };
    },
    signal,
  );
}

/** Reports of evaluations of an adapter, newest first. Those by group are left out: each is about a part of the prompts. */
async function reportsOn({ db, files }: ServerContext, { id }: AdapterRow): Promise<Report[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['id', 'request', 'result'])
    .where('kind', '=', 'evaluate')
    .where('status', '=', 'succeeded')
    .where(sql<boolean>`request->>'adapter' = ${id}`)
    .orderBy('sequence', 'desc')
    .limit(MOST_EVALUATIONS)
    .execute();
  const whole = rows.filter(({ result }) => (result as { groups?: unknown } | null)?.groups == null);
  const reports = await Promise.all(
    whole.map(async ({ id: job }) => ({
      job,
      file: await files.open(folderOfJob(job), 'report.json', 'changing'),
    })),
  );
  return reports.flatMap(({ job, file }) => (file === null ? [] : [{ job, file }]));
}
