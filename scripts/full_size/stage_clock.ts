/** Time and memory by stage: methods are wrapped, and what one takes inside another counts for it alone. */

import type { ResidentMemory } from './memory.ts';

/** What a stage took so far, compilation included. */
export interface StageFigures {
  seconds: number;
  processorSeconds: number;
  calls: number;
  /** Largest resident memory while it was under way, and of it without a file. */
  residentGib: number;
  anonymousGib: number;
}

/** Adds up the stages of an iteration. */
export class StageClock {
  /** By label, in the order of their first call. */
  readonly stages: Record<string, StageFigures> = {};
  readonly #running: StageFigures[] = [];
  #last = { wall: 0, processor: 0 };

  /** Replaces methods of `owner`, by name, with ones that are timed under a label. */
  time(owner: object, labels: Readonly<Record<string, string>>): void {
    const methods = owner as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const [name, label] of Object.entries(labels)) {
      const original = methods[name]!.bind(owner);
      const value = (...args: unknown[]) => this.#during(label, () => original(...args));
      Object.defineProperty(owner, name, { value });
    }
  }

  /** Notes memory for the stage that is under way. */
  see({ resident, anonymous }: ResidentMemory): void {
    const stage = this.#running.at(-1);
    if (stage === undefined) return;
    stage.residentGib = Math.max(stage.residentGib, resident / 2 ** 30);
    stage.anonymousGib = Math.max(stage.anonymousGib, anonymous / 2 ** 30);
  }

  async #during(label: string, work: () => Promise<unknown>): Promise<unknown> {
    this.#charge();
    const fresh = { seconds: 0, processorSeconds: 0, calls: 0, residentGib: 0, anonymousGib: 0 };
    this.stages[label] ??= fresh;
    const stage = this.stages[label];
    stage.calls++;
    this.#running.push(stage);
    try {
      return await work();
    } finally {
      this.#charge();
      this.#running.pop();
    }
  }

  /** Gives the time since the last call to the stage that is under way. */
  #charge(): void {
    const { user, system } = process.cpuUsage();
    const now = { wall: performance.now() / 1000, processor: (user + system) / 1e6 };
    const stage = this.#running.at(-1);
    if (stage !== undefined) {
      stage.seconds += now.wall - this.#last.wall;
      stage.processorSeconds += now.processor - this.#last.processor;
    }
    this.#last = now;
  }
}
