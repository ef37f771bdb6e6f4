/** Starts the runtime that a command asked for, and stops it when the command is done. */

import type { DeviceName } from '../graph/index.ts';
import { Runtime, selectDevice } from '../graph/index.ts';
import { UsageError } from './errors.ts';
import type { Progress } from './progress.ts';

/** The options that choose a runtime. */
export interface RuntimeChoice {
  readonly device: DeviceName;
  readonly threads?: number;
  /** Resident memory to stay within, in GiB. */
  readonly memory?: number;
}

/** A runtime on a device that is known to work; what is left out is all that the machine has. */
export function startRuntime({
  device,
  threads,
  memory,
}: {
  readonly device: Exclude<DeviceName, 'auto'>;
  readonly threads?: number | undefined;
  /** Resident memory to stay within, in GiB. */
  readonly memory?: number | undefined;
}): Runtime {
  return new Runtime({
    device,
    ...(threads === undefined ? {} : { threads }),
    ...(memory === undefined ? {} : { memory: memory * 2 ** 30 }),
  });
}

/**
 * Runs `work` on a runtime and closes it afterwards, whether or not the work succeeded.
 * @throws UsageError when the named device does not work here, with advice
 */
export async function withRuntime<T>(
  { device: name, threads, memory }: RuntimeChoice,
  progress: Pick<Progress, 'note'>,
  work: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const device = await selectDevice(name).catch((error: Error) => {
    throw new UsageError(error.message, { cause: error });
  });
  const runtime = startRuntime({ device, threads, memory });
  const share = runtime.threads === 1 ? '1 thread' : `${runtime.threads} threads`;
  progress.note(`computing on ${device}${device === 'cpu' ? ` with ${share}` : ''}`);
  try {
    return await work(runtime);
  } finally {
    await runtime.close();
  }
}
