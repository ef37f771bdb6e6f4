/** How commands end: errors by kind and the exit status of each. */

/** Exit statuses of the program. */
export const EXIT = Object.freeze({
  done: 0,
  /** The work failed. */
  failed: 1,
  /** The command line or a configuration is wrong; nothing was started. */
  usage: 2,
  /** Stopped with Ctrl-C (128 + SIGINT, as shells count). */
  cancelled: 130,
});

/** The command line or a configuration is wrong: shown without a stack, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The work was stopped by the user, who can go on later: exit status 130. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}

/** The work failed, and the message says why and what to do: shown without a stack, exit status 1. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** What is thrown by code that is wrong, rather than by a check of what the user gave. */
const FAULTS_OF_CODE = Object.freeze([TypeError, RangeError, ReferenceError]);

/**
 * Runs a check of what the user gave, before long work.
 * @throws UsageError with the message of what the check throws; what tells of wrong code stays as it is
 */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw usageOf(error);
  }
}

/** As {@link asUsage}, of a check that takes its time. */
export async function asUsageLater<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    throw usageOf(error);
  }
}

function usageOf(error: unknown): unknown {
  const isOfCode = FAULTS_OF_CODE.some((kind) => error instanceof kind);
  if (!(error instanceof Error) || isExplained(error) || isOfCode || error.name === 'AbortError')
    return error;
  return new UsageError(error.message, { cause: error });
}

/** Whether the message of an error says everything that the user needs. */
export function isExplained(error: unknown): boolean {
  return error instanceof UsageError || error instanceof CancelledError || error instanceof Failure;
}

/** Exit status for what a command threw. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof CancelledError) return EXIT.cancelled;
  return EXIT.failed;
}
