/** Values kept in the browser, so that nothing is lost on reload: drafts of forms and the jobs that this browser started. */

import { useCallback, useEffect, useRef, useState } from 'react';

const PREFIX = 'evenhand.';
/** Milliseconds of rest before a draft is written. */
const REST = 150;

/** A stored value, or `null` where there is none, it is damaged or storage is blocked. */
export function readStored(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null');
  } catch {
    return null;
  }
}

/** Stores a value; nothing happens where storage is blocked or full. */
export function writeStored(key: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // The page works without storage; a reload then starts afresh.
  }
}

/**
 * State that survives a reload.
 * @param key name in storage
 * @param read makes the state from what was stored, whatever it is; `null` where nothing was
 */
export function useStored<State>(
  key: string,
  read: (stored: unknown) => State,
): readonly [State, (change: State | ((state: State) => State)) => void] {
  const [state, setState] = useState<State>(() => read(readStored(key)));
  const latest = useRef(state);
  const timer = useRef<number | undefined>(undefined);
  const flush = useCallback(() => {
    if (timer.current === undefined) return;
    clearTimeout(timer.current);
    timer.current = undefined;
    writeStored(key, latest.current);
  }, [key]);
  const set = useCallback(
    (change: State | ((state: State) => State)) => {
      latest.current =
        typeof change === 'function' ? (change as (state: State) => State)(latest.current) : change;
      setState(latest.current);
      clearTimeout(timer.current);
      timer.current = window.setTimeout(flush, REST);
    },
    [flush],
  );
  useEffect(() => {
    window.addEventListener('pagehide', flush);
    return () => {
      window.removeEventListener('pagehide', flush);
      flush();
    };
  }, [flush]);
  return [state, set];
}
