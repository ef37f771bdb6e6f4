/** Light or dark: the system's choice until the reader makes another. */

import { useEffect, useState, useSyncExternalStore } from 'react';
import { readStored, writeStored } from './storage.ts';

/** What the reader chose; `system` follows the device. */
export type ThemeChoice = 'system' | 'light' | 'dark';

const KEY = 'theme';
const darkDevice = window.matchMedia('(prefers-color-scheme: dark)');

function subscribe(changed: () => void): () => void {
  darkDevice.addEventListener('change', changed);
  return () => darkDevice.removeEventListener('change', changed);
}

/** The choice, the theme that follows from it, and how to change it; it is kept and put on the document. */
export function useTheme(): {
  readonly choice: ThemeChoice;
  readonly theme: 'light' | 'dark';
  readonly choose: (choice: ThemeChoice) => void;
} {
  const [choice, setChoice] = useState<ThemeChoice>(() => {
    const stored = readStored(KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  });
  const device = useSyncExternalStore(subscribe, () => (darkDevice.matches ? 'dark' : 'light'));
  useEffect(() => {
    if (choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  }, [choice]);
  return {
    choice,
    theme: choice === 'system' ? device : choice,
    choose(next) {
      writeStored(KEY, next);
      setChoice(next);
    },
  };
}
