/** Follows a job's events until its last, across broken connections. */

import { ask } from './client.ts';
import { ApiError } from './errors.ts';
import { readEvents } from './event_stream.ts';
import type { JobEvent } from './types.ts';

/** Shortest and longest wait before connecting again, in milliseconds. */
const WAIT = Object.freeze({ first: 500, most: 10_000 });

/** Who is told of a job's events. */
export interface JobFollower {
  readonly onEvent: (event: JobEvent) => void;
  /** Called with `false` when the connection broke, and with `true` when it stands again. */
  readonly onConnection: (connected: boolean) => void;
}

/**
 * Follows the events of a job and returns after `end`. A broken connection is taken up again after the last event that had
 * an id.
 * @throws ApiError where the server refuses (statuses 400 to 499); the signal's reason when it is raised
 */
export async function followJob(
  id: string,
  { onEvent, onConnection }: JobFollower,
  signal: AbortSignal,
): Promise<void> {
  let last = '';
  let wait: number = WAIT.first;
  for (;;) {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (last !== '') headers['last-event-id'] = last;
      const response = await ask('GET', `api/v1/jobs/${encodeURIComponent(id)}/events`, { headers, signal });
      onConnection(true);
      for await (const { type, data, id: eventId } of readEvents(response.body!)) {
        wait = WAIT.first;
        last = eventId;
        onEvent({ type, data: JSON.parse(data) } as JobEvent);
        if (type === 'end') return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
    }
    onConnection(false);
    await new Promise((resolve) => setTimeout(resolve, wait));
    signal.throwIfAborted();
    wait = Math.min(WAIT.most, 2 * wait);
  }
}
