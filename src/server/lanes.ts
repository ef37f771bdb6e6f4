/** The lanes of a server with their worker processes: drawing, training, and estimating what training costs. */

import path from 'node:path';
import type { JobStore } from '../cluster/job_store.ts';
import { Lane } from '../cluster/lane.ts';
import { WorkerCrash, WorkerLink } from '../cluster/worker_link.ts';
import type { LiveMeasurement } from '../evaluate/live_measurement.ts';
import type { Queue, ServerContext } from './context.ts';
import type { ErrorCode } from './errors.ts';
import { ApiFault } from './errors.ts';
import { drawWork } from './jobs/draw_work.ts';
import type { CheckAdapterOutput, EstimateOutput } from './jobs/tasks.ts';
import { trainWork } from './jobs/train_work.ts';
import { findAdapter } from './storage/adapters.ts';

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

/** Estimates and checks that may wait for another one. */
const MOST_ESTIMATES = 8;

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
    const { db, data } = context();
    const row = await findAdapter(db, id);
    if (row === undefined) throw new Error(`adapter ${id} was removed`);
    return { name: row.name, file: path.join(data.path, row.file) };
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
  const estimator = link('estimate');
  let estimating: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  /** Short work of the estimating process, one after the other; what it says is wrong is answered under `code`. */
  const ask = async (task: string, input: unknown, code: ErrorCode): Promise<unknown> => {
    if (waiting >= MOST_ESTIMATES) {
      const message = `expected fewer than ${MOST_ESTIMATES} waiting estimates and checks`;
      throw new ApiFault('queue_full', message, { retryAfter: 10 });
    }
    waiting++;
    const result = estimating.then(() => estimator.run(task, input));
    estimating = result.catch(() => {});
    try {
      return await result;
    } catch (error) {
      const kind = error instanceof WorkerCrash ? 'worker_crashed' : code;
      throw new ApiFault(kind, (error as Error).message, { cause: error });
    } finally {
      waiting--;
    }
  };
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
    estimate: async (input) => (await ask('estimate', input, 'job_failed')) as EstimateOutput,
    checkAdapter: async (input) => (await ask('checkAdapter', input, 'does_not_fit')) as CheckAdapterOutput,
    judge: async (input) => (await ask('judge', input, 'does_not_fit')) as LiveMeasurement,
    workers: () => [
      ...lanes.map(({ name, link: { state, crashes } }) => ({
        name: name as 'draw' | 'train',
        worker: state,
        crashes,
      })),
      { name: 'estimate' as const, worker: estimator.state, crashes: estimator.crashes },
    ],
    processId: (name) => lanes.find((lane) => lane.name === name)?.link.pid ?? null,
    async drain(graceMilliseconds) {
      await Promise.all([...lanes.map((lane) => lane.drain(graceMilliseconds)), estimator.stop()]);
    },
  };
}
