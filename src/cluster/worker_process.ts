/** The worker's side: carries out the tasks that the parent process sends, and leaves with it. */

import { getPriority, setPriority } from 'node:os';
import type { FromWorker, ToWorker } from './messages.ts';
import { ALIVE_MILLISECONDS } from './messages.ts';

/**
 * By how much the priority lies below the parent's: enough for a request to be answered while models keep every processor busy
 * (measured with 32 clients on two processors: the 99th percentile is 34 ms, and 62 without), and not so much that other
 * programs starve the work.
 */
const GIVEN_WAY = 5;

/** What a task gets besides its input. */
export interface TaskContext<Event = unknown> {
  /** Raised when the work is to stop at the next safe point. */
  readonly signal: AbortSignal;
  /** Tells the parent something on the way: plain data and buffers. */
  emit(event: Event): void;
}

/** A piece of work that follows from its input alone; what it returns is plain data. */
export type Task = (input: never, context: TaskContext<never>) => Promise<unknown>;

/**
 * Serves `tasks` to the parent process until that stops this one or dies. Its threads give way to those of the parent, which
 * answers people meanwhile.
 * @param close gives back what tasks keep between runs
 * @throws Error when this process has no parent that talks to it
 */
export function serveTasks(
  tasks: Readonly<Record<string, Task>>,
  close: () => Promise<void> = async () => {},
): void {
  if (process.send === undefined) throw new Error('worker: expected to be started by a server');
  setPriority(Math.min(19, getPriority() + GIVEN_WAY));
  const send = (message: FromWorker) => process.connected && process.send!(message);
  const leave = () => {
    close().finally(() => process.exit(0));
  };
  let current: { readonly run: number; readonly controller: AbortController } | null = null;
  let stopping = false;
  // Ctrl-C reaches the whole process group; the parent decides what becomes of the work.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'cancel') {
      if (current?.run === message.run) current.controller.abort(new Error('cancelled'));
    } else if (message.kind === 'stop') {
      stopping = true;
      if (current === null) leave();
    } else {
      const controller = new AbortController();
      current = { run: message.run, controller };
      carryOut(tasks, message, controller.signal, send).then((answer) => {
        current = null;
        send(answer);
        if (stopping) leave();
      });
    }
  });
  setInterval(() => send({ kind: 'alive' }), ALIVE_MILLISECONDS).unref();
  send({ kind: 'ready' });
}

async function carryOut(
  tasks: Readonly<Record<string, Task>>,
  { run, task: name, input }: Extract<ToWorker, { kind: 'run' }>,
  signal: AbortSignal,
  send: (message: FromWorker) => void,
): Promise<FromWorker> {
  try {
    const task = tasks[name];
    if (task === undefined)
      throw new Error(`worker: expected ${Object.keys(tasks).join(', ')}, received ${name}`);
    const emit = (event: never) => send({ kind: 'event', run, event });
    return { kind: 'done', run, output: await task(input as never, { signal, emit }) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'failed', run, message, cancelled: signal.aborted };
  }
}
