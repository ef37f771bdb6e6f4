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
  // Its address is resolved here, since a worker of evaluated code would look for tsx from the current folder.
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const module = JSON.stringify(new URL(`${name}.ts`, base).href);
  const bootstrap = `import(${loader}).then(({ register }) => { register(); return import(${module}); })`;
  return new Worker(bootstrap, { eval: true, workerData });
}
