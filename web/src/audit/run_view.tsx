/** One audit: how far it is, what it has measured so far, and its report. */

import { cancelJob, serverUrl } from '../api/client.ts';
import { isFinal } from '../api/job_state.ts';
import { readReport } from '../api/report_data.ts';
import type { Job, Measured } from '../api/types.ts';
import { useJob, useLoaded } from '../api/use_job.ts';
import { ErrorNotice, Notice, RunNotes } from '../components/notice.tsx';
import { Progress } from '../components/progress.tsx';
import { counted, duration, moment } from '../lib/format.ts';
import { MeasuredView } from './measured_view.tsx';

/** An audit in a line: what was measured on which prompts. */
export function describeAudit(job: Job): string {
  if (job.kind !== 'evaluate') return job.id;
  const { test, count } = job.request.prompts;
  const prompts =
    typeof test === 'string'
      ? `${count === undefined ? '' : `${count} of `}${test}`
      : counted(test.length, 'own prompt');
  const { target } = job.request;
  const attributes = typeof target === 'string' ? target : Object.keys(target).join(', ');
  return `${attributes} on ${prompts}${job.request.adapter ? ', with an adapter' : ''}`;
}

/** Measurements of a finished audit from the data of its report; `null` before. */
function useReport(job: Job | null): readonly Measured[] | null {
  const audit = job?.kind === 'evaluate' ? job : null;
  const url = audit?.result?.data ?? null;
  const target = audit?.request.target ?? {};
  const aimed =
    typeof target === 'string'
      ? target.split(/[,;]/).map((part) => part.split('=')[0]!.trim())
      : Object.keys(target);
  return useLoaded(async () => (url === null ? null : await readReport(url, aimed)), url ?? '').value;
}

/** Follows a job and shows it. */
export function AuditRunView({ id }: { readonly id: string }) {
  const [state, follow] = useJob(id);
  const { job, progress, notes, error, connected } = state;
  const reported = useReport(job);
  const measured = reported ?? state.measured;
  if (job === null) return <ErrorNotice error={error} retry={follow} />;
  if (job.kind !== 'evaluate') {
    return <ErrorNotice error={new Error(`Expected an audit, received a job of the kind ${job.kind}.`)} />;
  }
  const isOver = isFinal(job.status);
  return (
    <article className="stack" aria-label="Audit">
      <header>
        <h2>{describeAudit(job)}</h2>
        <p className="small muted">
          {moment(job.createdAt)} · {counted(job.request.prompts.imagesPerPrompt ?? 0, 'image')} a prompt ·{' '}
          {job.request.sampler.steps} steps · seed {job.request.seed}
        </p>
      </header>
      {!isOver && (
        <div className="row progress-row">
          <Progress
            label={
              job.status === 'queued' || progress === null
                ? 'Waiting for a worker'
                : `${progress.task}: ${progress.step} of ${progress.steps}`
            }
            done={progress?.step ?? 0}
            all={progress?.steps ?? null}
            {...(progress?.secondsLeft ? { detail: `${duration(progress.secondsLeft)} left` } : {})}
          />
          <button type="button" className="quiet" onClick={() => cancelJob(id).then(follow, follow)}>
            Stop
          </button>
        </div>
      )}
      {!connected && !isOver && (
        <Notice kind="warn">The connection broke; it is being taken up again. The audit goes on.</Notice>
      )}
      {job.status === 'cancelled' && <Notice kind="warn">This audit was stopped before its end.</Notice>}
      {job.error !== null && <ErrorNotice error={new Error(job.error.message)} />}
      {job.result !== null && (
        <Notice kind="good">
          <p>
            <strong>Measured in {duration(job.result.seconds)}.</strong> The report has every number, per
            prompt, with how to make it again.
          </p>
          <div className="row">
            <a className="button" href={serverUrl(job.result.report)} target="_blank" rel="noreferrer">
              Open the report
            </a>
            <a className="button" href={serverUrl(job.result.data)} download>
              Data (JSON)
            </a>
          </div>
        </Notice>
      )}
      <div className={measured.length > 1 ? 'measured-pair' : undefined}>
        {measured.map((each) => (
          <MeasuredView key={`${each.group} ${each.label}`} measured={each} />
        ))}
      </div>
      <RunNotes notes={notes} />
    </article>
  );
}
