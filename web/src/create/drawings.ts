/** The drawings of this browser: which settings were drawn by which jobs, newest first. */

import { fieldsOf, numeric, text } from '../lib/read.ts';
import type { CreateSettings } from './settings.ts';
import { readSettings } from './settings.ts';

/** One press of the button. */
export interface Drawing {
  /** The job that drew with the settings' adapter, or the only one: of the server, or of this device. */
  readonly job: string;
  /** The job that drew without the adapter from the same noise, or `null`. */
  readonly plainJob: string | null;
  readonly settings: CreateSettings;
  /** When it was asked for, in milliseconds. */
  readonly at: number;
}

/** Drawings that are remembered at most. */
export const MOST_DRAWINGS = 24;

/** Drawings from storage. */
export function readDrawings(stored: unknown): readonly Drawing[] {
  if (!Array.isArray(stored)) return [];
  return stored.flatMap((entry): Drawing[] => {
    const { job, plainJob, settings, at } = fieldsOf(entry);
    if (typeof job !== 'string') return [];
    return [{ job, plainJob: text(plainJob, null), settings: readSettings(settings), at: numeric(at, 0) }];
  });
}
