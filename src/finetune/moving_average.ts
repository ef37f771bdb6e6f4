/** Exponential moving average of parameters with a warm-up of its decay. */

/** Decay of the moving average. */
export interface MovingAverageOptions {
  /** Decay once warmed up, for example .996. */
  readonly decay: number;
}

/**
 * Decay at the update after `updates` earlier ones: min(decay, (1 + s)/(10 + s)), so that early parameters are forgotten fast.
 */
export function warmedUpDecay(decay: number, updates: number): number {
  return Math.min(decay, (1 + updates) / (10 + updates));
}

/** The averages and how many updates they have seen. */
export class ExponentialMovingAverage {
  readonly #parameters: ReadonlyMap<string, Float32Array>;
  readonly #values = new Map<string, Float32Array>();
  readonly #decay: number;
  #updates = 0;

  /** @param parameters float32 data by name; the average starts as their copy */
  constructor(parameters: ReadonlyMap<string, Float32Array>, { decay }: MovingAverageOptions) {
    this.#parameters = parameters;
    this.#decay = decay;
    for (const [name, data] of parameters) this.#values.set(name, data.slice());
  }

  /** Number of updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /** The averages by parameter name (not copied). */
  get values(): ReadonlyMap<string, Float32Array> {
    return this.#values;
  }

  /** Moves the averages towards the parameters: a <- decay a + (1 - decay) p. */
  update(): void {
    const rate = 1 - warmedUpDecay(this.#decay, this.#updates);
    for (const [name, average] of this.#values) {
      const parameter = this.#parameters.get(name)!;
      for (let i = 0; i < average.length; i++) average[i]! += (parameter[i]! - average[i]!) * rate;
    }
    this.#updates++;
  }

  /** Takes up a checkpoint's averages and update count. */
  restore(values: ReadonlyMap<string, Float32Array>, updates: number): void {
    for (const [name, average] of this.#values) {
      const saved = values.get(name);
      if (saved?.length !== average.length) {
        throw new Error(
          `moving average: expected ${average.length} saved elements for ${name}, received ${saved?.length ?? 'none'}`,
        );
      }
      average.set(saved);
    }
    this.#updates = updates;
  }
}
