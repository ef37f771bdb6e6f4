/** Earlier jobs of a kind, each a link to its page. */

import { useEffect } from 'react';
import { listJobs } from '../api/client.ts';
import { isFinal } from '../api/job_state.ts';
import type { Job } from '../api/types.ts';
import { useLoaded } from '../api/use_job.ts';
import { moment } from '../lib/format.ts';
import type { PageName } from '../lib/route.ts';
import { routeTo } from '../lib/route.ts';
import { ErrorNotice } from './notice.tsx';

/** Milliseconds after which a list with unfinished jobs is loaded again. */
const REFRESH = 5000;

/** States of jobs in words. */
export const STATUS_WORDS: Readonly<Record<Job['status'], string>> = {
  queued: 'waiting',
  running: 'running',
  succeeded: 'done',
  failed: 'failed',
  cancelled: 'stopped',
};

/** The list; nothing where there are none. */
export function JobList({
  title,
  kind,
  page,
  current,
  describe,
}: {
  readonly title: string;
  readonly kind: Job['kind'];
  readonly page: PageName;
  /** The job that is shown, or `null`: the list is loaded again when it changes. */
  readonly current: string | null;
  /** A job in a line. */
  readonly describe: (job: Job) => string;
}) {
  const { value, error, reload } = useLoaded(() => listJobs(kind), `${kind} ${current}`);
  const isWorking = value?.some(({ status }) => !isFinal(status)) ?? false;
  useEffect(() => {
    if (!isWorking) return;
    const timer = setInterval(reload, REFRESH);
    return () => clearInterval(timer);
  }, [isWorking, reload]);
  if (error !== null) return <ErrorNotice error={error} retry={reload} />;
  if (value === null || value.length === 0) return null;
  return (
    <section className="stack">
      <h2>{title}</h2>
      <ul className="list job-list">
        {value.map((job) => (
          <li key={job.id}>
            <a href={routeTo(page, job.id)} aria-current={job.id === current ? 'true' : undefined}>
              {describe(job)}
            </a>
            <span className="small muted">
              {moment(job.createdAt)} · {STATUS_WORDS[job.status]}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
