/** The scale of the loss in mixed precision (Micikevicius et al. 2018, section 3.2), adapted while a run goes. */

/** How the scale starts and moves. */
export interface LossScaleOptions {
  /** First scale; 2^15 when left out. */
  readonly initial?: number;
  /** Good steps after which it is doubled; 200 when left out. */
  readonly interval?: number;
}

/** Where the scale stands. */
export interface LossScaleState {
  readonly value: number;
  /** Steps since it last changed. */
  readonly goodSteps: number;
}

/** A scale of 1 loses nothing more; one above this could not be told from infinity in float16. */
const LIMITS = Object.freeze({ least: 1, most: 2 ** 24 });

/**
 * Cotangents are multiplied by the scale before they flow through float16, and gradients divided by it after. It is halved when
 * a gradient was not finite (that step is left out), and doubled after many good steps. Powers of two change no digits.
 */
export class LossScale {
  readonly #interval: number;
  #value: number;
  #goodSteps = 0;

  /** @throws Error when the first scale is outside 1..2^24 or the interval is below 1 */
  constructor({ initial = 2 ** 15, interval = 200 }: LossScaleOptions = {}) {
    if (!(initial >= LIMITS.least && initial <= LIMITS.most))
      throw new Error(
        `loss scale: expected a number in ${LIMITS.least}..${LIMITS.most}, received ${initial}`,
      );
    if (!(Number.isInteger(interval) && interval >= 1))
      throw new Error(`loss scale: expected an interval of at least 1 step, received ${interval}`);
    this.#value = initial;
    this.#interval = interval;
  }

  /** The scale as it is. */
  get value(): number {
    return this.#value;
  }

  /** Takes note of a step: whether its gradient was finite. */
  update(wasFinite: boolean): void {
    if (!wasFinite) {
      this.#value = Math.max(LIMITS.least, this.#value / 2);
      this.#goodSteps = 0;
      return;
    }
    this.#goodSteps++;
    if (this.#goodSteps < this.#interval) return;
    this.#value = Math.min(LIMITS.most, 2 * this.#value);
    this.#goodSteps = 0;
  }

  /** What a checkpoint keeps. */
  state(): LossScaleState {
    return { value: this.#value, goodSteps: this.#goodSteps };
  }

  /** Takes up a checkpoint's state. */
  restore({ value, goodSteps }: LossScaleState): void {
    this.#value = value;
    this.#goodSteps = goodSteps;
  }
}
