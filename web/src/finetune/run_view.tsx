/** One fine-tuning: how far it is, its curves and samples, and the adapters that came out. */

import { useEffect, useMemo } from 'react';
import { cancelJob, resumeJob, serverUrl } from '../api/client.ts';
import { failureOf } from '../api/errors.ts';
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
import { useAction } from '../lib/use_action.ts';
import { ExportForm } from '../models/export_form.tsx';
import { attributesOf } from '../models/target_words.ts';
import { figuresOf } from './curves.ts';
import type { BestLine, RunFiles } from './run_files.ts';
import { bestValidation, useRunFiles } from './run_files.ts';

/** A run in a line: its target and how long it was to be. */
export function describeFinetuning(job: Job): string {
  if (job.kind !== 'finetune') return job.id;
  const { target, name, optimizer } = job.request;
  const attributes = attributesOf(target).join(', ');
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
            Download
          </a>
        )}
      </div>
      {adapter && <ExportForm adapter={adapter} />}
    </div>
  );
}

const BEST = Object.freeze({ metric: 'distance', goal: 'smallest' } as const);

/** Where the best validation stood: `iteration 40, distance .12`. */
function bestInWords({ iteration, value }: BestLine, metric: string): string {
  return `iteration ${count(iteration)}, ${metric} ${measure(value)}`;
}

/** The adapters that a run without a result has left so far. */
function SoFar({
  files: { average, best },
  name,
  bestWords,
}: {
  readonly files: RunFiles;
  readonly name: string;
  readonly bestWords: string | null;
}) {
  if (average === null) return null;
  return (
    <div className="row">
      {best !== null && (
        <a className="button quiet" href={serverUrl(best)} download={`${name}-best.safetensors`}>
          <DownloadIcon />
          Best so far{bestWords === null ? '' : ` (${bestWords})`}
        </a>
      )}
      <a className="button quiet" href={serverUrl(average)} download={`${name}.safetensors`}>
        <DownloadIcon />
        Last checkpoint’s adapter
      </a>
    </div>
  );
}

function Results({
  job,
  bestWords,
}: {
  readonly job: Job & { readonly kind: 'finetune' };
  readonly bestWords: string | null;
}) {
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
            {bestWords === null
              ? 'Weights of the best validation.'
              : `Weights of the best validation: ${bestWords}.`}
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
  const { error: failure, run } = useAction();
  const { job, progress, notes, error, connected } = state;
  const isOver = job !== null && isFinal(job.status);
  const files = useRunFiles(id, isOver);
  const { log, sample } = files;
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
  const choice = job.request.validation.best ?? BEST;
  const best = bestValidation(log, choice);
  const bestWords = best && bestInWords(best, choice.metric);
  const done = Math.max(progress?.step ?? 0, log.at(-1)?.iteration ?? 0);
  const act = (action: (id: string) => Promise<unknown>) => () =>
    run(async () => {
      await action(id);
      follow();
      reload();
    });
  const warnings = log.flatMap(({ iteration, warnings: all = [] }) =>
    all.map((text) => `Iteration ${iteration}: ${text}`),
  );
  const { learningRate, textEncoderLearningRate } = job.request.optimizer;
  const validated = log.findLast(({ validation }) => validation?.distance !== undefined);
  return (
    <article className="stack" aria-label="Fine-tuning">
      <header>
        <h2>{describeFinetuning(job)}</h2>
        <p className="small muted">
          {moment(job.createdAt)} · {job.request.train.part} · {job.request.prompts.imagesPerPrompt} images a
          prompt · learning rate {learningRate}
          {textEncoderLearningRate !== undefined && `, text encoder ${textEncoderLearningRate}`}
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
            iterations.{' '}
            {done === 0
              ? 'It can be started again as it is.'
              : 'It can go on from its newest checkpoint, with the numbers of a run that never stopped.'}
          </p>
          <button type="button" onClick={act(resumeJob)}>
            Go on
          </button>
        </Notice>
      )}
      {job.error !== null && <ErrorNotice error={failureOf(job.error)} />}
      <Results job={job} bestWords={bestWords} />
      {job.result === null && <SoFar files={files} name={job.request.name ?? job.id} bestWords={bestWords} />}
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
