/** Measurements that an audit tells of while it runs. */

/** An interval of a share. */
export interface ShareInterval {
  readonly low: number;
  readonly high: number;
}

/** One attribute of a measurement, over all prompts' images so far. */
export interface MeasuredAttribute {
  readonly attribute: string;
  readonly classes: readonly string[];
  /** Share of each class among the images with a face. */
  readonly shares: readonly number[];
  readonly intervals: readonly ShareInterval[];
  /** Target shares, or `null` where the attribute is only watched. */
  readonly target: readonly number[] | null;
}

/** A measurement so far. */
export interface Measured {
  /** `model`, `original`, `fine-tuned`. */
  readonly label: string;
  readonly images: number;
  readonly faces: number;
  /** Confidence level of the intervals. */
  readonly level: number;
  readonly attributes: readonly MeasuredAttribute[];
}

/** The event that carries a measurement. */
export interface MeasuredEvent {
  readonly type: 'measured';
  readonly data: Measured;
}
