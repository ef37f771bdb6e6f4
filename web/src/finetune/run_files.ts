/** A run's own records, read from its files while it goes: the log, line by line, and the newest grid of samples. */

import { useEffect, useState } from 'react';
import { ask, listJobFiles } from '../api/client.ts';
import type { JobFile } from '../api/types.ts';

/** A line of a run's log. */
export interface LogLine {
  readonly iteration: number;
  readonly loss: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly gradientNorm: number | null;
  readonly validation?: Readonly<Record<string, number | null>>;
  readonly warnings?: readonly string[];
}

/** What a run has recorded so far. */
export interface RunFiles {
  readonly log: readonly LogLine[];
  /** The newest grid of validation images, or `null`. */
  readonly sample: { readonly iteration: number; readonly url: string } | null;
  /** Addresses of the adapters as they were at the newest checkpoint and at the best validation; `null` before the first. */
  readonly average: string | null;
  readonly best: string | null;
}

/** Milliseconds between two readings; a long log, which takes long to read, is read less often. */
const PAUSE = Object.freeze({ least: 1500, perMegabyte: 4000 });
const NOTHING: RunFiles = Object.freeze({ log: [], sample: null, average: null, best: null });

/** Lines of a log's text; a last one that is only half written is left out. */
export function parseLog(text: string): LogLine[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index): LogLine[] => {
    if (line === '') return [];
    try {
      return [JSON.parse(line) as LogLine];
    } catch (error) {
      if (index === lines.length - 1) return [];
      throw new Error(`log.jsonl, line ${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  });
}

/** The newest grid among a run's files: `samples/<iteration>.png`. */
export function newestSample(files: readonly JobFile[]): RunFiles['sample'] {
  const grids = files.flatMap(({ name, url }) => {
    const [, digits] = /^samples\/(\d+)\.png$/.exec(name) ?? [];
    return digits === undefined ? [] : [{ iteration: Number(digits), url }];
  });
  return grids.reduce<RunFiles['sample']>(
    (newest, grid) => (newest === null || grid.iteration > newest.iteration ? grid : newest),
    null,
  );
}

/** A validation and where it stands among the others. */
export interface BestLine {
  readonly iteration: number;
  readonly value: number;
}

/** The best validation of a log by a metric: the smallest or largest value, of equal ones the earliest; `null` without any. */
export function bestValidation(
  log: readonly LogLine[],
  { metric, goal }: { readonly metric: string; readonly goal: 'smallest' | 'largest' },
): BestLine | null {
  return log.reduce<BestLine | null>((best, { iteration, validation }) => {
    const value = validation?.[metric] ?? null;
    if (value === null || !Number.isFinite(value)) return best;
    const isBetter = best === null || (goal === 'smallest' ? value < best.value : value > best.value);
    return isBetter ? { iteration, value } : best;
  }, null);
}

/**
 * Reads a run's files now, again while it goes, and once more when it is over.
 * @param id the job
 * @param isOver whether it will write no more
 */
export function useRunFiles(id: string, isOver: boolean): RunFiles {
  const [files, setFiles] = useState(NOTHING);
  useEffect(() => {
    const reading = new AbortController();
    const { signal } = reading;
    void (async () => {
      while (!signal.aborted) {
        let size = 0;
        try {
          const listed = await listJobFiles(id, signal);
          const log = listed.find(({ name }) => name === 'log.jsonl');
          size = log?.bytes ?? 0;
          const text = log === undefined ? '' : await (await ask('GET', log.url, { signal })).text();
          const urlOf = (file: string) => listed.find(({ name }) => name === file)?.url ?? null;
          const [average, best] = [urlOf('adapter.safetensors'), urlOf('best.safetensors')];
          if (!signal.aborted) setFiles({ log: parseLog(text), sample: newestSample(listed), average, best });
          if (isOver) return;
        } catch {
          // The job's own events tell of a server that is gone; the next reading brings what this one missed.
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE.least + (size / 1e6) * PAUSE.perMegabyte));
      }
    })();
    return () => reading.abort();
  }, [id, isOver]);
  return files;
}
