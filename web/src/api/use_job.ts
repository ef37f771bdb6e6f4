/** A job that is followed while someone looks at it. */

import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { getJob } from './client.ts';
import { followJob } from './job_events.ts';
import type { JobState } from './job_state.ts';
import { applyEvents, isFinal, UNKNOWN_JOB, withJob } from './job_state.ts';
import type { JobEvent } from './types.ts';

/** Milliseconds over which events are gathered before the page is drawn anew. */
const GATHER = 60;

/** A followed job; it is followed from the first listener to the last. */
class JobFeed {
  readonly #id: string;
  readonly #listeners = new Set<() => void>();
  #state: JobState = UNKNOWN_JOB;
  #following: AbortController | null = null;
  #events: JobEvent[] = [];
  #timer: number | undefined;

  constructor(id: string) {
    this.#id = id;
  }

  readonly read = (): JobState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#following === null) void this.#follow();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#following?.abort();
      this.#following = null;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#events = [];
    };
  };

  async #follow(): Promise<void> {
    const following = new AbortController();
    const { signal } = following;
    this.#following = following;
    try {
      const job = await getJob(this.#id, signal);
      this.#set(withJob(UNKNOWN_JOB, job));
      const onEvent = (event: JobEvent) => this.#gather(event);
      const onConnection = (connected: boolean) => {
        if (connected !== this.#state.connected) this.#set({ ...this.#state, connected });
      };
      // The events of a finished generation say nothing that its result doesn't.
      if (isFinal(job.status) && job.kind === 'generate') return;
      await followJob(this.#id, { onEvent, onConnection }, signal);
    } catch (error) {
      if (!signal.aborted) this.#set({ ...this.#state, error });
    }
  }

  #gather(event: JobEvent): void {
    this.#events.push(event);
    this.#timer ??= window.setTimeout(() => {
      this.#timer = undefined;
      this.#set(applyEvents(this.#state, this.#events.splice(0)));
    }, GATHER);
  }

  #set(state: JobState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

const NOTHING: JobState = UNKNOWN_JOB;
const noFeed = Object.freeze({ read: () => NOTHING, subscribe: () => () => undefined });

/**
 * Follows a job.
 * @param id the job, `null` for none
 * @returns its state, and a function that starts following anew, when it could not be read
 */
export function useJob(id: string | null): readonly [JobState, () => void] {
  const [round, setRound] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round is a new feed of the same job.
  const feed = useMemo(() => (id === null ? noFeed : new JobFeed(id)), [id, round]);
  const state = useSyncExternalStore(feed.subscribe, feed.read);
  return [state, () => setRound((now) => now + 1)];
}

/** A value that is loaded when the component appears and when `key` changes, and again on request. */
export function useLoaded<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  key: string,
): { readonly value: Value | null; readonly error: unknown; readonly reload: () => void } {
  const [round, setRound] = useState(0);
  const [loaded, setLoaded] = useState<{ value: Value | null; error: unknown }>({ value: null, error: null });
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when `load` loads something else.
  useEffect(() => {
    const loading = new AbortController();
    load(loading.signal).then(
      (value) => loading.signal.aborted || setLoaded({ value, error: null }),
      (error) => loading.signal.aborted || setLoaded((before) => ({ ...before, error })),
    );
    return () => loading.abort();
  }, [key, round]);
  const reload = useCallback(() => setRound((now) => now + 1), []);
  return { ...loaded, reload };
}
