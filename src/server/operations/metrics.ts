/** Numbers for Prometheus: requests, jobs, images, workers, and the process's own. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What is counted. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Histogram<'method' | 'route' | 'status'>;
  readonly images: Counter;
  readonly jobsEnded: Counter<'status'>;
  /** Requests to object storage; status `none` where no answer came. */
  readonly storageRequests: Histogram<'operation' | 'status'>;
  readonly storageBytes: Counter<'direction'>;
}

/** What gauges read when Prometheus asks. */
export interface MeasuredState {
  /** Open jobs by lane and status. */
  jobs(): Promise<readonly { readonly lane: string; readonly status: string; readonly count: number }[]>;
  workers(): readonly { readonly name: string; readonly worker: string; readonly crashes: number }[];
}

/** Seconds; the server promises its own answers within 50 ms. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** Makes the numbers of one server. */
export function createMetrics(state: MeasuredState): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: 'evenhand_jobs',
    help: 'Jobs that are not over, by lane and status',
    labelNames: ['lane', 'status'],
    registers,
    async collect() {
      this.reset();
      for (const { lane, status, count } of await state.jobs()) this.set({ lane, status }, count);
    },
  });
  new Gauge({
    name: 'evenhand_worker_up',
    help: 'Whether the worker process of a lane is alive',
    labelNames: ['lane'],
    registers,
    collect() {
      for (const { name, worker } of state.workers()) this.set({ lane: name }, worker === 'stopped' ? 0 : 1);
    },
  });
  new Gauge({
    name: 'evenhand_worker_crashes',
    help: 'Worker processes that ended in the middle of their work since the server started',
    labelNames: ['lane'],
    registers,
    collect() {
      for (const { name, crashes } of state.workers()) this.set({ lane: name }, crashes);
    },
  });
  return Object.freeze({
    registry,
    requests: new Histogram({
      name: 'evenhand_http_request_seconds',
      help: 'Time until the first byte of an answer',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS,
      registers,
    }),
    images: new Counter({ name: 'evenhand_images_total', help: 'Images that were drawn', registers }),
    jobsEnded: new Counter({
      name: 'evenhand_jobs_ended_total',
      help: 'Jobs that this server ended, by status',
      labelNames: ['status'],
      registers,
    }),
    storageRequests: new Histogram({
      name: 'evenhand_storage_request_seconds',
      help: 'Time until object storage began to answer, each attempt counted',
      labelNames: ['operation', 'status'],
      buckets: BUCKETS,
      registers,
    }),
    storageBytes: new Counter({
      name: 'evenhand_storage_bytes_total',
      help: 'Bytes of files sent to and received from object storage',
      labelNames: ['direction'],
      registers,
    }),
  });
}
