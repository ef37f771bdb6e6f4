/** How well a classifier knows an attribute: accuracy, confusion, and whether its probabilities are what they say. */

/** One bin of confidences of a reliability table. */
export interface ReliabilityBin {
  /** Ends of the bin, in 0..1. */
  readonly from: number;
  readonly to: number;
  /** Faces whose most probable class has a probability in the bin. */
  readonly count: number;
  /** Share of them whose most probable class is right; NaN for none. */
  readonly accuracy: number;
  /** Mean probability of their most probable class; NaN for none. */
  readonly confidence: number;
}

/** Figures of one attribute. */
export interface AttributeFigures {
  readonly classes: readonly string[];
  /** Share of faces whose most probable class is right. */
  readonly accuracy: number;
  /** Number of faces by true class (rows) and most probable class (columns). */
  readonly confusion: readonly (readonly number[])[];
  /** Mean probability of the most probable class. */
  readonly confidence: number;
  /** Expected calibration error: mean of |accuracy - confidence| over ten bins of confidence, weighted by their sizes. */
  readonly calibrationError: number;
  /** The ten bins (Guo et al. 2017, section 2). */
  readonly reliability: readonly ReliabilityBin[];
}

const BINS = 10;

/**
 * Accuracy, confusion and calibration.
 * @param probabilities rows [N, classes]
 * @param labels true class of each row
 * @throws Error when there are not as many rows as labels
 */
export function attributeFigures(
  classes: readonly string[],
  probabilities: Float32Array,
  labels: readonly number[],
): AttributeFigures {
  if (probabilities.length !== labels.length * classes.length) {
    throw new Error(
      `figures: expected ${labels.length} rows of ${classes.length} probabilities, received ${probabilities.length} numbers`,
    );
  }
  const confusion = classes.map(() => classes.map(() => 0));
  const bins = Array.from({ length: BINS }, () => ({ count: 0, right: 0, confidence: 0 }));
  let [right, confidence] = [0, 0];
  labels.forEach((label, i) => {
    const row = probabilities.subarray(i * classes.length, (i + 1) * classes.length);
    const best = row.indexOf(Math.max(...row));
    const share = row[best]!;
    confusion[label]![best]! += 1;
    confidence += share;
    const bin = bins[Math.min(BINS - 1, Math.floor(share * BINS))]!;
    bin.count += 1;
    bin.confidence += share;
    if (best === label) {
      right += 1;
      bin.right += 1;
    }
  });
  const gaps = bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.confidence), 0);
  return {
    classes,
    accuracy: right / labels.length,
    confusion,
    confidence: confidence / labels.length,
    calibrationError: gaps / labels.length,
    reliability: bins.map((bin, i) => ({
      from: i / BINS,
      to: (i + 1) / BINS,
      count: bin.count,
      accuracy: bin.right / bin.count,
      confidence: bin.confidence / bin.count,
    })),
  };
}
