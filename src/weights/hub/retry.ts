/** Work over the network that is tried again when it was interrupted. */

import { setTimeout as wait } from 'node:timers/promises';

/** A failure that another attempt may not meet; the cause says what happened. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
}

/** Statuses of answers that pass by themselves. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Whether another request may get another status. */
export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

/** How often and how soon to try again. */
export interface RetryOptions {
  /** Interruptions in a row after which the last one is thrown. */
  readonly most: number;
  /** Whether an attempt that was interrupted brought something; then the count starts anew. */
  readonly hasAdvanced?: () => boolean;
  /** Milliseconds to wait after so many interruptions in a row; doubles from a second to half a minute if not given. */
  readonly delay?: ((failures: number) => number) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `attempt` until it is not interrupted.
 * @throws whatever `attempt` throws that is no {@link Interruption}; the last Interruption; the signal's reason once it is raised
 */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { most, hasAdvanced = () => false, signal } = options;
  const { delay = (failures) => Math.min(30_000, 1000 * 2 ** (failures - 1)) } = options;
  let failures = 0;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interruption)) throw error;
      failures = hasAdvanced() ? 1 : failures + 1;
      if (failures > most) throw error;
    }
    await wait(delay(failures), undefined, signal === undefined ? {} : { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}
