/** Starts a worker thread from a module beside the caller, whether it runs as TypeScript source or as built JavaScript. */

import { Worker } from 'node:worker_threads';

/**
 * Starts `name` (without extension, relative to `base`) as a worker thread.
 * @param base `import.meta.url` of the caller
 * @param workerData passed to the worker as it is
 */
export function startWorker(name: string, base: string, workerData: unknown): Worker {
  if (!base.endsWith('.ts')) return new Worker(new URL(`${name}.js`, base), { workerData });
  // Node does not pass module hooks on to worker threads: from source, each registers tsx itself.
  const url = new URL(`${name}.ts`, base).href;
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(url)}); })`;
  return new Worker(bootstrap, { eval: true, workerData });
}
