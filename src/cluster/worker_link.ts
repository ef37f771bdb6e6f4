/** The parent's side: one worker process, started when there is work, watched while it runs, and gone when idle. */

import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromWorker, ToWorker } from './messages.ts';

/** How to start and watch a worker process. */
export interface WorkerOptions {
  /** Module of the worker, as source or built. */
  readonly entry: URL;
  /** Arguments of the module. */
  readonly args?: readonly string[];
  /** Milliseconds without a sign of life after which the process is killed. */
  readonly silenceMilliseconds?: number;
  /** Milliseconds without work after which the process ends and its memory returns. */
  readonly idleMilliseconds?: number;
  /** Is told what the process writes to standard error. */
  readonly onError?: (text: string) => void;
}

/** The worker process ended before its task. */
export class WorkerCrash extends Error {
  override readonly name = 'WorkerCrash';
}

/** The task stopped because it was told to. */
export class TaskCancelled extends Error {
  override readonly name = 'TaskCancelled';
}

interface Run {
  readonly id: number;
  readonly onEvent: (event: unknown) => void;
  resolve(output: unknown): void;
  reject(error: Error): void;
}

const SILENCE_MILLISECONDS = 300_000;
const IDLE_MILLISECONDS = 600_000;
/** Milliseconds that a process gets to leave by itself. */
const LEAVE_MILLISECONDS = 5000;

/** A worker process that carries out one task at a time. */
export class WorkerLink {
  readonly #options: WorkerOptions;
  #child: ChildProcess | null = null;
  #run: Run | null = null;
  #nextRun = 1;
  #crashes = 0;
  #lastSign = 0;
  #watch: NodeJS.Timeout | null = null;
  #idle: NodeJS.Timeout | null = null;

  /** Starts nothing yet. */
  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Whether there is a process, and whether it works. */
  get state(): 'stopped' | 'idle' | 'busy' {
    if (this.#child === null) return 'stopped';
    return this.#run === null ? 'idle' : 'busy';
  }

  /** Times that the process ended in the middle of a task. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Process id; null where there is no process. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Carries out a task.
   * @throws WorkerCrash when the process ends or falls silent, TaskCancelled after `signal`, or Error with the task's message
   */
  run(
    task: string,
    input: unknown,
    onEvent: (event: unknown) => void = () => {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    if (this.#run !== null) return Promise.reject(new Error('worker: one task at a time'));
    if (this.#idle !== null) clearTimeout(this.#idle);
    const child = this.#child ?? this.#start();
    const id = this.#nextRun++;
    const cancel = () => this.#send(child, { kind: 'cancel', run: id });
    return new Promise<unknown>((resolve, reject) => {
      this.#run = { id, onEvent, resolve, reject };
      this.#lastSign = Date.now();
      this.#send(child, { kind: 'run', run: id, task, input });
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    }).finally(() => {
      signal?.removeEventListener('abort', cancel);
      this.#rest();
    });
  }

  /** Ends the process: by itself, or killed when it does not leave. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const timer = setTimeout(() => child.kill('SIGKILL'), LEAVE_MILLISECONDS);
    this.#send(child, { kind: 'stop' });
    await gone;
    clearTimeout(timer);
  }

  /** Kills the process at once; a task in it counts as crashed. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #start(): ChildProcess {
    const { entry, args = [], onError } = this.#options;
    const source = entry.pathname.endsWith('.ts');
    const child = fork(fileURLToPath(entry), [...args], {
      execArgv: source ? ['--import', import.meta.resolve('tsx')] : [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
      onError?.(text);
    });
    child.on('message', (message: FromWorker) => this.#receive(message));
    child.on('error', () => {});
    // `close` comes after the last message and the last of standard error.
    child.on('close', (code, signal) => {
      const how = signal ?? `code ${code}`;
      if (this.#child === child) this.#child = null;
      if (this.#watch !== null) clearInterval(this.#watch);
      this.#settle((run) => {
        this.#crashes++;
        const tail = said.trim() === '' ? '' : `: ${said.trim().split('\n').at(-1)}`;
        run.reject(new WorkerCrash(`the worker process ended (${how}) in the middle of its work${tail}`));
      });
    });
    const silence = this.#options.silenceMilliseconds ?? SILENCE_MILLISECONDS;
    this.#watch = setInterval(
      () => {
        if (this.#run !== null && Date.now() - this.#lastSign > silence) child.kill('SIGKILL');
      },
      Math.min(silence, 5000),
    );
    this.#watch.unref();
    return child;
  }

  #send(child: ChildProcess, message: ToWorker): void {
    // A process that is gone shows by its `close`.
    if (child.connected) child.send(message, () => {});
  }

  #receive(message: FromWorker): void {
    this.#lastSign = Date.now();
    if (!('run' in message) || message.run !== this.#run?.id) return;
    if (message.kind === 'event') {
      this.#run.onEvent(message.event);
    } else if (message.kind === 'done') {
      this.#settle((run) => run.resolve(message.output));
    } else {
      const { cancelled, message: text } = message;
      this.#settle((run) => run.reject(cancelled ? new TaskCancelled(text) : new Error(text)));
    }
  }

  #settle(end: (run: Run) => void): void {
    const run = this.#run;
    this.#run = null;
    if (run !== null) end(run);
  }

  #rest(): void {
    if (this.#child === null) return;
    this.#idle = setTimeout(() => {
      if (this.#run === null) void this.stop();
    }, this.#options.idleMilliseconds ?? IDLE_MILLISECONDS);
    this.#idle.unref();
  }
}
