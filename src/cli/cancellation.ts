/** Ctrl-C: the first asks the work to stop at the next safe point, the second stops the program. */

import { CancelledError, EXIT } from './errors.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * Runs `work` with a signal that SIGINT or SIGTERM raises.
 * @param note shows a line to the user when the signal is raised
 * @throws CancelledError instead of whatever `work` throws once the signal is raised
 */
export async function cancellable<T>(
  work: (signal: AbortSignal) => Promise<T>,
  note: (text: string) => void,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.cancelled);
    controller.abort(new CancelledError('stopped; the same command goes on where it was'));
    note('stopping at the next safe point; Ctrl-C again stops at once');
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted || error instanceof CancelledError) throw error;
    throw new CancelledError((error as Error).message, { cause: error });
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}
