/** How long the demo fine-tunes: as many iterations as fit into the minutes that it may take on this machine. */

/** What the demo knows once the original model is measured. */
export interface DemoPace {
  /** Seconds since the start, and those of them in which images were measured. */
  readonly elapsed: number;
  readonly measuring: number;
  /** Images that were measured. */
  readonly images: number;
  /** Minutes that the whole demo may take. */
  readonly minutes: number;
}

/**
 * Seconds of an iteration of `configs/demo.yaml` over those of one measured image, as was seen on two cores.
 */
const IMAGES_PER_ITERATION = 34;

/** Seconds that opening the fine-tuning and writing the report take, compilation of graphs included. */
const FIXED_SECONDS = 15;

/** Fewer iterations show little; more bring nothing that the noise of so small a measurement lets see. */
export const DEMO_ITERATIONS = Object.freeze({ least: 60, most: 360 });

/**
 * Iterations that leave time for measuring once more; within {@link DEMO_ITERATIONS}, whatever the time.
 * @throws RangeError where no image was measured
 */
export function demoIterations({ elapsed, measuring, images, minutes }: DemoPace): number {
  if (!(images > 0)) throw new RangeError(`images: expected at least 1, received ${images}`);
  const left = minutes * 60 - elapsed - measuring - FIXED_SECONDS;
  const fit = Math.floor(left / (IMAGES_PER_ITERATION * (measuring / images)));
  return Math.min(DEMO_ITERATIONS.most, Math.max(DEMO_ITERATIONS.least, fit));
}
