/** One audit: how far it is, what it has measured so far, and its report. */

import { Fragment } from 'react';
import { cancelJob, resumeJob, serverUrl } from '../api/client.ts';
import { failureOf } from '../api/errors.ts';
import { isFinal } from '../api/job_state.ts';
import { readReport } from '../api/report_data.ts';
import type { Job, Measured } from '../api/types.ts';
import { useJob, useLoaded } from '../api/use_job.ts';
import { ErrorNotice, Notice, RunNotes } from '../components/notice.tsx';
import { Progress } from '../components/progress.tsx';
import { counted, duration, moment } from '../lib/format.ts';
import { useAction } from '../lib/use_action.ts';
import { attributesOf } from '../models/target_words.ts';
import { MeasuredView } from './measured_view.tsx';

/** An audit in a line: what was measured on which prompts. */
export function describeAudit(job: Job): string {
  if (job.kind !== 'evaluate') return job.id;
  const { target, prompts, adapter } = job.request;
  const on = Array.isArray(target) ? counted(target.length, 'group') : promptsInWords(prompts);
  return `${attributesOf(target).join(', ')} on ${on}${adapter ? ', with an adapter' : ''}`;
}

function promptsInWords({
  test,
  count,
}: (Job & { readonly kind: 'evaluate' })['request']['prompts']): string {
  if (typeof test !== 'string') return counted(test.length, 'own prompt');
  return `${count === undefined ? '' : `${count} of `}${test}`;
}

/** Measurements of a finished audit from the data of its report; `null` before. */
function useReport(job: Job | null): readonly Measured[] | null {
  const audit = job?.kind === 'evaluate' ? job : null;
  // Groups have a report each; their last measurements say the same.
  const url = audit?.result?.groups ? null : (audit?.result?.data ?? null);
  const aimed = attributesOf(audit?.request.target ?? {});
  return useLoaded(async () => (url === null ? null : await readReport(url, aimed)), url ?? '').value;
}

/** Follows a job and shows it. */
export function AuditRunView({ id }: { readonly id: string }) {
  const [state, follow] = useJob(id);
  const { error: failure, run } = useAction();
  const { job, progress, notes, error, connected } = state;
  const reported = useReport(job);
  const measured = reported ?? state.measured;
  if (job === null) return <ErrorNotice error={error} retry={follow} />;
  if (job.kind !== 'evaluate') {
    return <ErrorNotice error={new Error(`Expected an audit, received a job of the kind ${job.kind}.`)} />;
  }
  const isOver = isFinal(job.status);
  const act = (action: (id: string) => Promise<unknown>) => () =>
    run(async () => {
      await action(id);
      follow();
    });
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
          <button type="button" className="quiet" onClick={act(cancelJob)}>
            Stop
          </button>
        </div>
      )}
      {!connected && !isOver && (
        <Notice kind="warn">The connection broke; it is being taken up again. The audit goes on.</Notice>
      )}
      {job.error !== null && <ErrorNotice error={failureOf(job.error)} />}
      <ErrorNotice error={failure} />
      {(job.status === 'cancelled' || job.status === 'failed') && (
        <Notice kind="warn">
          <p>This audit was stopped before its end. The images that were judged count when it goes on.</p>
          <button type="button" onClick={act(resumeJob)}>
            Go on
          </button>
        </Notice>
      )}
      {job.result !== null && (
        <Notice kind="good">
          <p>
            <strong>Measured in {duration(job.result.seconds)}.</strong> The report has every number, per
            prompt, with how to make it again.
          </p>
          <div className="row">
            {(job.result.groups ?? [{ ...job.result, name: null }]).map(({ name, report, data }) => (
              <Fragment key={report}>
                <a className="button" href={serverUrl(report)} target="_blank" rel="noreferrer">
                  Open the report{name === null ? '' : ` on ${name}`}
                </a>
                <a className="button" href={serverUrl(data)} download>
                  Data (JSON)
                </a>
              </Fragment>
            ))}
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
