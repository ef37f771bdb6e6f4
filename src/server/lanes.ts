/** The lanes of a server with their worker processes: drawing, training, estimating what training costs, and exporting. */

import type { JobStore } from '../cluster/job_store.ts';
import { Lane } from '../cluster/lane.ts';
import { TaskCancelled, WorkerCrash, WorkerLink } from '../cluster/worker_link.ts';
import type { LiveMeasurement } from '../evaluate/live_measurement.ts';
import type { Queue, ServerContext } from './context.ts';
import type { ErrorCode } from './errors.ts';
import { ApiFault } from './errors.ts';
import { drawWork } from './jobs/draw_work.ts';
import type { CheckAdapterOutput, EstimateOutput, ExportOutput } from './jobs/tasks.ts';
import { trainWork } from './jobs/train_work.ts';
import { findAdapter, openAdapterFile } from './storage/adapters.ts';

/** How lanes work. */
export interface LaneSettings {
  /** Module of the worker process, and its arguments. */
  readonly worker: URL;
  readonly workerArguments: readonly string[];
  /** Images that are drawn together. */
  readonly mostImages: number;
  readonly heartbeatMilliseconds: number;
  readonly pollMilliseconds: number;
  /** Milliseconds without work after which a worker process ends. */
  readonly idleMilliseconds: number;
}

/** Lanes that run. */
export interface RunningLanes extends Queue {
  start(): void;
  /** Lets work end or go back to the queue, and ends the worker processes. */
  drain(graceMilliseconds: number): Promise<void>;
  /** Worker process of a lane, for tests that kill it. */
  processId(lane: string): number | null;
}

/** Requests that may wait for a process that answers them one after the other. */
const MOST_WAITING = 8;

/** Makes the lanes of a server; they claim nothing before `start`. */
export function createLanes(
  context: () => ServerContext,
  store: JobStore,
  { worker, workerArguments, ...settings }: LaneSettings,
): RunningLanes {
  const onFault = (error: unknown) => context().logger.error({ err: error }, 'a fault of the queue');
  const link = (name: string) =>
    new WorkerLink({
      entry: worker,
      args: workerArguments,
      idleMilliseconds: settings.idleMilliseconds,
      onError: (text) => context().logger.warn({ lane: name }, text.trim()),
    });
  const adapterOf = async (id: string) => {
    const { db, files } = context();
    const row = await findAdapter(db, id);
    if (row === undefined) throw new Error(`adapter ${id} was removed`);
    const file = await openAdapterFile(files, row);
    if (file === null) throw new Error(`adapter ${id}: its file is gone`);
    return { name: row.name, file };
  };
  const common = { ...settings, store, onFault };
  const draw = new Lane({
    ...common,
    name: 'draw',
    link: link('draw'),
    resumable: false,
    prepare: (jobs) =>
      drawWork(
        {
          store,
          onFault,
          adapterOf,
          catalogue: context().catalogue,
          data: context().data,
          files: context().files,
          onPreview: context().watch.preview,
          onImage: () => context().metrics.images.inc(),
        },
        jobs,
      ),
  });
  const train = new Lane({
    ...common,
    name: 'train',
    link: link('train'),
    resumable: true,
    prepare: (jobs) => trainWork({ store, onFault, adapterOf, context: context() }, jobs),
  });
  const lanes = [draw, train];
  // An export of a whole model takes as long as its disk: estimates do not wait for it.
  const [estimator, exporter] = [link('estimate'), link('export')];
  const isDraining = () => context().draining;
  const ask = asker(estimator, 'estimates and checks', isDraining);
  const askExporter = asker(exporter, 'exports', isDraining);
  return {
    start() {
      for (const lane of lanes) lane.start();
    },
    wake(name) {
      lanes.find((lane) => lane.name === name)?.wake();
    },
    async cancel(id) {
      for (const lane of lanes) if (await lane.cancel(id)) return;
    },
    estimate: async (input) => (await ask('estimate', input, 'does_not_fit')) as EstimateOutput,
    checkAdapter: async (input) => (await ask('checkAdapter', input, 'does_not_fit')) as CheckAdapterOutput,
    judge: async (input) => (await ask('judge', input, 'does_not_fit')) as LiveMeasurement,
    exportAdapter: async (input, signal) =>
      (await askExporter('exportAdapter', input, 'job_failed', signal)) as ExportOutput,
    workers: () => [
      ...lanes.map(({ name, link: { state, crashes } }) => ({
        name: name as 'draw' | 'train',
        worker: state,
        crashes,
      })),
      { name: 'estimate' as const, worker: estimator.state, crashes: estimator.crashes },
      { name: 'export' as const, worker: exporter.state, crashes: exporter.crashes },
    ],
    processId: (name) => lanes.find((lane) => lane.name === name)?.link.pid ?? null,
    async drain(graceMilliseconds) {
      const drained = lanes.map((lane) => lane.drain(graceMilliseconds));
      await Promise.all([...drained, estimator.stop(), exporter.stop()]);
    },
  };
}

type Ask = (task: string, input: unknown, code: ErrorCode, signal?: AbortSignal) => Promise<unknown>;

/** Asks a process one thing after the other, none once the server shuts down; what it says is wrong is answered under `code`. */
function asker(link: WorkerLink, what: string, isDraining: () => boolean): Ask {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (task, input, code, signal) => {
    if (waiting >= MOST_WAITING) {
      const message = `expected fewer than ${MOST_WAITING} waiting ${what}`;
      throw new ApiFault('queue_full', message, { retryAfter: 10 });
    }
    waiting++;
    const result = last.then(() => {
      if (signal?.aborted) throw new TaskCancelled('cancelled before its start');
      // A process that was stopped would be started again.
      if (isDraining()) throw shuttingDown();
      return link.run(task, input, undefined, signal);
    });
    last = result.catch(() => {});
    try {
      return await result;
    } catch (error) {
      if (error instanceof ApiFault) throw error;
      if (isDraining()) throw shuttingDown(error);
      const crashed = error instanceof WorkerCrash ? 'worker_crashed' : code;
      const kind = error instanceof TaskCancelled ? 'cancelled' : crashed;
      throw new ApiFault(kind, (error as Error).message, { cause: error });
    } finally {
      waiting--;
    }
  };
}

function shuttingDown(cause?: unknown): ApiFault {
  return new ApiFault('shutting_down', 'the server is shutting down', { retryAfter: 30, cause });
}
