/** One fine-tuning: how far it is, its curves and samples, and the adapters that came out. */

import { useEffect, useMemo, useState } from 'react';
import { cancelJob, serverUrl } from '../api/client.ts';
import { isFinal } from '../api/job_state.ts';
import { useServer } from '../api/server_context.tsx';
import type { Job } from '../api/types.ts';
import { useJob } from '../api/use_job.ts';
import { Curve } from '../components/curve.tsx';
import { DownloadIcon } from '../components/icons.tsx';
import { ErrorNotice, Notice, RunNotes } from '../components/notice.tsx';
import { Progress } from '../components/progress.tsx';
import { count, duration, measure, moment } from '../lib/format.ts';
import { routeTo } from '../lib/route.ts';
import { figuresOf } from './curves.ts';
import { useRunFiles } from './run_files.ts';

/** A run in a line: its target and how long it was to be. */
export function describeFinetuning(job: Job): string {
  if (job.kind !== 'finetune') return job.id;
  const { target, name, optimizer } = job.request;
  const attributes = typeof target === 'string' ? target : Object.keys(target).join(', ');
  return `${name ?? attributes}: ${attributes}, ${count(optimizer.iterations)} iterations`;
}

function AdapterCard({
  id,
  title,
  children,
}: {
  readonly id: string;
  readonly title: string;
  readonly children: string;
}) {
  const { adapters } = useServer();
  const adapter = adapters?.find((each) => each.id === id);
  return (
    <div className="card">
      <h3>{title}</h3>
      <p className="small muted">{children}</p>
      <div className="row">
        <a
          className="button"
          href={routeTo('create', null, new URLSearchParams({ adapter: id, compare: '1' }))}
        >
          Try in Create
        </a>
        <a className="button" href={routeTo('audit', null, new URLSearchParams({ adapter: id }))}>
          Audit it
        </a>
        {adapter && (
          <a className="button" href={serverUrl(adapter.url)} download={`${adapter.name}.safetensors`}>
            <DownloadIcon />
            Export
          </a>
        )}
      </div>
    </div>
  );
}

function Results({ job }: { readonly job: Job & { readonly kind: 'finetune' } }) {
  const { result } = job;
  if (result === null) return null;
  return (
    <section className="stack" aria-label="Adapters">
      <Notice kind="good">
        <p>
          <strong>
            {count(result.iterations)} iterations in {duration(result.seconds)}.
          </strong>{' '}
          {result.stopped !== null && `Ended early: ${result.stopped}.`}
        </p>
        <div className="row">
          <a className="button quiet" href={serverUrl(result.page)} target="_blank" rel="noreferrer">
            Page of the run
          </a>
          <a className="button quiet" href={serverUrl(result.log)} download>
            Log (JSON lines)
          </a>
        </div>
      </Notice>
      <div className="adapter-cards">
        {result.best !== null && (
          <AdapterCard id={result.best} title="Best checkpoint">
            Weights of the validation that was nearest to the target.
          </AdapterCard>
        )}
        <AdapterCard id={result.adapter} title="Last">
          Averaged weights at the end of the run.
        </AdapterCard>
      </div>
    </section>
  );
}

/** Follows a run and shows it. */
export function FinetuneRunView({ id, theme }: { readonly id: string; readonly theme: string }) {
  const [state, follow] = useJob(id);
  const { adapters, reload } = useServer();
  const [failure, setFailure] = useState<unknown>(null);
  const { job, progress, notes, error, connected } = state;
  const isOver = job !== null && isFinal(job.status);
  const { log, sample } = useRunFiles(id, isOver);
  const figures = useMemo(() => figuresOf(log), [log]);
  const made = job?.kind === 'finetune' ? job.result?.adapter : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new adapter is the one reason to load the list again.
  useEffect(() => {
    if (made !== undefined && adapters?.some((adapter) => adapter.id === made) === false) reload();
  }, [made]);
  if (job === null) return <ErrorNotice error={error} retry={follow} />;
  if (job.kind !== 'finetune') {
    return (
      <ErrorNotice error={new Error(`Expected a fine-tuning, received a job of the kind ${job.kind}.`)} />
    );
  }
  const { iterations } = job.request.optimizer;
  const done = Math.max(progress?.step ?? 0, log.at(-1)?.iteration ?? 0);
  const act = (action: (id: string) => Promise<unknown>) => async () => {
    setFailure(null);
    try {
      await action(id);
      follow();
      reload();
    } catch (caught) {
      setFailure(caught);
    }
  };
  const warnings = log.flatMap(({ iteration, warnings: all = [] }) =>
    all.map((text) => `Iteration ${iteration}: ${text}`),
  );
  const validated = log.findLast(({ validation }) => validation?.distance !== undefined);
  return (
    <article className="stack" aria-label="Fine-tuning">
      <header>
        <h2>{describeFinetuning(job)}</h2>
        <p className="small muted">
          {moment(job.createdAt)} · {job.request.train.part} · {job.request.prompts.imagesPerPrompt} images a
          prompt · learning rate {job.request.optimizer.learningRate}
        </p>
      </header>
      {!isOver && (
        <div className="row progress-row">
          <Progress
            label={
              job.status === 'queued'
                ? 'Waiting for a worker'
                : done === 0
                  ? 'Preparing'
                  : `Iteration ${count(done)} of ${count(iterations)}`
            }
            done={done}
            all={iterations}
            {...(progress?.secondsLeft ? { detail: `${duration(progress.secondsLeft)} left` } : {})}
          />
          <button type="button" onClick={act(cancelJob)}>
            Stop
          </button>
        </div>
      )}
      <ErrorNotice error={failure} />
      {!connected && !isOver && (
        <Notice kind="warn">The connection broke; it is being taken up again. The run goes on.</Notice>
      )}
      {(job.status === 'cancelled' || job.status === 'failed') && (
        <Notice kind="warn">
          <p>
            {job.status === 'cancelled' ? 'Stopped' : 'Failed'} after {count(done)} of {count(iterations)}{' '}
            iterations. The last checkpoint is kept.
          </p>
        </Notice>
      )}
      {job.error !== null && <ErrorNotice error={new Error(job.error.message)} />}
      <Results job={job} />
      {warnings.length > 0 && (
        <Notice kind="warn">
          {warnings.map((warning) => (
            <p key={warning} className="small">
              {warning}
            </p>
          ))}
        </Notice>
      )}
      {validated !== undefined && (
        <p>
          Distance to the target at iteration {count(validated.iteration)}:{' '}
          <strong>{measure(validated.validation!.distance)}</strong>{' '}
          <span className="muted">
            [{measure(validated.validation!['distance low'])},{' '}
            {measure(validated.validation!['distance high'])}], where a model on target would measure{' '}
            {measure(validated.validation!['distance floor'])}.
          </span>
        </p>
      )}
      {figures.length > 0 && (
        <div className="curves">
          {figures.map(({ title, x, series }) => (
            <Curve key={title} title={title} x={x} series={series} theme={theme} xLabel="Iteration" />
          ))}
        </div>
      )}
      {sample !== null && (
        <figure className="stack">
          <figcaption>
            <h3>Samples at iteration {count(sample.iteration)}</h3>
            <p className="small muted">
              In pairs of rows from the same noise: above the model as it is, below trained.
            </p>
          </figcaption>
          <img
            className="sample-grid"
            src={serverUrl(sample.url)}
            alt={`Validation images at iteration ${sample.iteration}: rows in pairs, before above after`}
          />
        </figure>
      )}
      <RunNotes notes={notes} />
    </article>
  );
}
