/** Something that a page starts, that takes a while and can fail. */

import { useCallback, useState } from 'react';

/** How it stands. */
export interface Action {
  readonly isRunning: boolean;
  /** Why it failed the last time, or `null`. */
  readonly error: unknown;
  /** Does the work; what it throws is kept as {@link error} until the next start. */
  readonly run: (work: () => Promise<void>) => Promise<void>;
}

/** An action that does not run yet. */
export function useAction(): Action {
  const [state, setState] = useState<Omit<Action, 'run'>>({ isRunning: false, error: null });
  const run = useCallback(async (work: () => Promise<void>) => {
    setState({ isRunning: true, error: null });
    try {
      await work();
      setState({ isRunning: false, error: null });
    } catch (error) {
      setState({ isRunning: false, error });
    }
  }, []);
  return { ...state, run };
}
