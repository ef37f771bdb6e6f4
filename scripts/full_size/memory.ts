/** Resident memory of this process as Linux counts it, and the largest part of it that is backed by no file. */

import { readFileSync } from 'node:fs';

const FIELDS = Object.freeze({ peak: 'VmHWM', resident: 'VmRSS', anonymous: 'RssAnon', file: 'RssFile' });

/** Bytes of resident memory: its peak so far, and now, with and without a file behind it. */
export type ResidentMemory = Readonly<Record<keyof typeof FIELDS, number>>;

/** What /proc/self/status says now. @throws Error where there is no such file (Linux only) */
export function residentMemory(): ResidentMemory {
  const text = readFileSync('/proc/self/status', 'utf8');
  const bytes = (field: string) => {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc/self/status: expected a field ${field}`);
    return Number(kibibytes) * 1024;
  };
  const entries = Object.entries(FIELDS).map(([name, field]) => [name, bytes(field)]);
  return Object.fromEntries(entries) as ResidentMemory;
}

/**
 * Watches anonymous memory while `work` runs; graphs run on a thread of their own, so that timers go on.
 * @param seen told of every look
 */
export async function watchMemory<T>(
  work: () => Promise<T>,
  { milliseconds = 50, seen }: { milliseconds?: number; seen?: (memory: ResidentMemory) => void } = {},
): Promise<{ readonly result: T; readonly peak: number; readonly anonymousPeak: number }> {
  let anonymousPeak = 0;
  const look = () => {
    const memory = residentMemory();
    anonymousPeak = Math.max(anonymousPeak, memory.anonymous);
    seen?.(memory);
  };
  const timer = setInterval(look, milliseconds);
  try {
    const result = await work();
    look();
    return { result, peak: residentMemory().peak, anonymousPeak };
  } finally {
    clearInterval(timer);
  }
}
