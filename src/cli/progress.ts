/** Progress of long work: a bar with time left on a terminal, plain lines in a log, JSON lines for programs. */

import type { LiveMeasurement } from '../evaluate/live_measurement.ts';

/** Where the work stands. */
export interface ProgressEvent {
  /** What is being done, for example `finetune`. */
  readonly task: string;
  /** Finished units and units in all. */
  readonly step: number;
  readonly steps: number;
  /** Numbers to show, in this order. */
  readonly numbers?: Readonly<Record<string, number>>;
  /** Estimated seconds until the end; derived from the pace since the task's first event when left out. */
  readonly secondsLeft?: number;
}

/** Shows progress. Nothing it does can fail the work. */
export interface Progress {
  update(event: ProgressEvent): void;
  /** A line of its own: a result, a warning, what happens next. */
  note(text: string): void;
  /** What an evaluation has measured so far; only whoever shows it live takes it. */
  measured?(soFar: LiveMeasurement): void;
  /** A run's folder holds a new checkpoint or validation; only whoever keeps it elsewhere too takes it. */
  saved?(): void;
  /** The outcome for programs: one JSON line, and nothing on a terminal or in a log, where notes say it in words. */
  result(outcome: Readonly<Record<string, unknown>>): void;
  /** Ends the bar, if one stands on the terminal. */
  finish(): void;
}

/** What is written to: standard output or error, or a stand-in for tests. */
export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Options of {@link createProgress}. */
export interface ProgressOptions {
  /** One JSON object a line on `output` instead of text. */
  readonly json?: boolean;
  /** Where notes and, as JSON, everything goes. */
  readonly output?: Terminal;
  /** Where the bar or plain progress lines go. */
  readonly display?: Terminal;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

/** Milliseconds between redraws of a bar, and between plain lines of one task. */
const INTERVALS = Object.freeze({ bar: 100, line: 10_000 });

/** Shows progress in the way that fits where it goes. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const { output = process.stdout, display = process.stderr, now = () => performance.now() } = options;
  if (options.json) return jsonProgress(output);
  const pace = paceMeter(now);
  const isTerminal = display.isTTY === true;
  const interval = isTerminal ? INTERVALS.bar : INTERVALS.line;
  let task: string | null = null;
  let shown = Number.NEGATIVE_INFINITY;
  let barStands = false;
  const clear = () => {
    if (barStands) display.write('\r\x1b[2K');
    barStands = false;
  };
  return {
    update(event) {
      const secondsLeft = event.secondsLeft ?? pace(event);
      const begins = event.task !== task;
      const ends = event.step >= event.steps;
      if (begins && barStands) {
        display.write('\n');
        barStands = false;
      }
      if (!begins && !ends && now() - shown < interval) return;
      task = event.task;
      shown = now();
      if (!isTerminal) {
        display.write(`${describeProgress(event, secondsLeft)}\n`);
        return;
      }
      clear();
      display.write(drawBar(event, secondsLeft, display.columns ?? 80));
      barStands = true;
      if (ends) {
        display.write('\n');
        barStands = false;
      }
    },
    note(text) {
      clear();
      output.write(`${text}\n`);
    },
    result() {},
    finish() {
      if (barStands) display.write('\n');
      barStands = false;
    },
  };
}

function jsonProgress(output: Terminal): Progress {
  const write = (event: string, fields: object) => output.write(`${JSON.stringify({ event, ...fields })}\n`);
  return {
    update: (event) => write('progress', event),
    note: (text) => write('note', { text }),
    result: (outcome) => write('result', outcome),
    finish() {},
  };
}

/** A function from events to seconds left at the mean pace since their task's first; `undefined` before there is a pace. */
export function paceMeter(
  now: () => number,
): (event: Pick<ProgressEvent, 'task' | 'step' | 'steps'>) => number | undefined {
  let begun: { task: string; step: number; time: number } | null = null;
  return ({ task, step, steps }) => {
    if (begun === null || begun.task !== task || step < begun.step) {
      begun = { task, step, time: now() };
      return undefined;
    }
    const done = step - begun.step;
    return done === 0 ? undefined : ((now() - begun.time) / 1000 / done) * (steps - step);
  };
}

/** One line of text, for example `vae 120/1500, loss 0.0431, 12 min left`. */
export function describeProgress(event: ProgressEvent, secondsLeft: number | undefined): string {
  const numbers = Object.entries(event.numbers ?? {}).map(
    ([name, value]) => `${name} ${formatNumber(value)}`,
  );
  const left =
    secondsLeft === undefined || event.step >= event.steps ? [] : [`${formatDuration(secondsLeft)} left`];
  return [`${event.task} ${event.step}/${event.steps}`, ...numbers, ...left].join(', ');
}

/** The same with a bar in front, cut to `columns` characters. */
function drawBar(event: ProgressEvent, secondsLeft: number | undefined, columns: number): string {
  const width = Math.max(5, Math.min(24, Math.floor(columns / 4)));
  const share = event.steps > 0 ? Math.min(1, event.step / event.steps) : 1;
  const filled = Math.round(share * width);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
  return `${bar} ${describeProgress(event, secondsLeft)}`.slice(0, Math.max(1, columns - 1));
}

/** Four significant digits without needless zeros; whole numbers as they are. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** A duration in the two largest units that matter: `8 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const units: readonly [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return '0 s';
  const parts = units.slice(first, first + 2).map(([unit, size], i) => {
    const above = i === 0 ? Number.POSITIVE_INFINITY : units[first]![1];
    return [Math.floor((whole % above) / size), unit] as const;
  });
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
