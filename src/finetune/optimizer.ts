/** AdamW over named flat float32 parameters, with global norm clipping and refusal of non-finite gradients. */

/** Constants of AdamW (Loshchilov and Hutter): moment decays, denominator offset, decoupled weight decay. */
export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** What one step needs beside the gradients. */
export interface AdamWStep {
  readonly learningRate: number;
  /** Largest global gradient norm; `Infinity` for no clipping. */
  readonly clipNorm?: number;
  /** Learning rate of a parameter by its name, where it has one of its own. */
  readonly learningRateOf?: (name: string) => number;
}

/** What one step did. */
export interface AdamWReport {
  /** Global L2 norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** Whether the step was left out because the gradients were not finite. */
  readonly skipped: boolean;
}

/** First and second moment estimates by parameter name. */
export interface AdamWState {
  readonly firstMoment: ReadonlyMap<string, Float32Array>;
  readonly secondMoment: ReadonlyMap<string, Float32Array>;
}

/**
 * Global L2 norm of gradients, summed in float64; NaN or Infinity when an element is not finite.
 */
export function globalNorm(gradients: ReadonlyMap<string, Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients.values()) {
    let part = 0;
    for (let i = 0; i < gradient.length; i++) part += gradient[i]! * gradient[i]!;
    sum += part;
  }
  return Math.sqrt(sum);
}

/** AdamW with its state: updates the parameters that it was given in place. */
export class AdamW {
  readonly #parameters: ReadonlyMap<string, Float32Array>;
  readonly #options: AdamWOptions;
  readonly #first = new Map<string, Float32Array>();
  readonly #second = new Map<string, Float32Array>();
  #steps = 0;

  /** @param parameters float32 data by name, changed in place by {@link step} */
  constructor(parameters: ReadonlyMap<string, Float32Array>, options: AdamWOptions) {
    this.#parameters = parameters;
    this.#options = options;
    for (const [name, data] of parameters) {
      this.#first.set(name, new Float32Array(data.length));
      this.#second.set(name, new Float32Array(data.length));
    }
  }

  /** Number of steps taken (skipped ones do not count). */
  get steps(): number {
    return this.#steps;
  }

  /**
   * One update: p <- p (1 - lr wd) - lr m^ / (sqrt(v^) + eps), m^ and v^ the bias-corrected moments.
   * @param gradients one for each parameter, of its length
   * @throws Error when a gradient is missing or of the wrong length
   */
  step(
    gradients: ReadonlyMap<string, Float32Array>,
    { learningRate, clipNorm = Infinity, learningRateOf = () => learningRate }: AdamWStep,
  ): AdamWReport {
    for (const [name, data] of this.#parameters) {
      const received = gradients.get(name)?.length;
      if (received !== data.length) {
        throw new Error(
          `AdamW: expected ${data.length} gradient elements for ${name}, received ${received ?? 'none'}`,
        );
      }
    }
    const gradientNorm = globalNorm(gradients);
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, skipped: true };
    // As torch.nn.utils.clip_grad_norm_: norm + 1e-6 in the denominator.
    const factor = Math.min(1, clipNorm / (gradientNorm + 1e-6));
    this.#steps++;
    for (const [name, data] of this.#parameters) {
      this.#update(
        data,
        gradients.get(name)!,
        this.#first.get(name)!,
        this.#second.get(name)!,
        learningRateOf(name),
        factor,
      );
    }
    return { gradientNorm, skipped: false };
  }

  #update(
    parameter: Float32Array,
    gradient: Float32Array,
    first: Float32Array,
    second: Float32Array,
    learningRate: number,
    factor: number,
  ): void {
    const { epsilon, weightDecay } = this.#options;
    const [beta1, beta2] = this.#options.betas;
    const decay = 1 - learningRate * weightDecay;
    const stepSize = learningRate / (1 - beta1 ** this.#steps);
    const rootCorrection = Math.sqrt(1 - beta2 ** this.#steps);
    for (let i = 0; i < parameter.length; i++) {
      const g = gradient[i]! * factor;
      const m = first[i]! + (g - first[i]!) * (1 - beta1);
      const v = second[i]! * beta2 + g * g * (1 - beta2);
      first[i] = m;
      second[i] = v;
      parameter[i] = parameter[i]! * decay - (stepSize * m) / (Math.sqrt(v) / rootCorrection + epsilon);
    }
  }

  /** The moments, for a checkpoint (not copied). */
  state(): AdamWState {
    return { firstMoment: this.#first, secondMoment: this.#second };
  }

  /**
   * Takes up a checkpoint's moments and step count.
   * @throws Error when a moment is missing or of the wrong length
   */
  restore(steps: number, state: AdamWState): void {
    for (const name of this.#parameters.keys()) {
      copyInto(this.#first, state.firstMoment, name);
      copyInto(this.#second, state.secondMoment, name);
    }
    this.#steps = steps;
  }
}

function copyInto(
  own: ReadonlyMap<string, Float32Array>,
  saved: ReadonlyMap<string, Float32Array>,
  name: string,
): void {
  const target = own.get(name)!;
  const source = saved.get(name);
  if (source?.length !== target.length) {
    throw new Error(
      `AdamW: expected ${target.length} saved elements for ${name}, received ${source?.length ?? 'none'}`,
    );
  }
  target.set(source);
}
