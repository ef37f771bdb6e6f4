/** What an evaluation has measured so far: counts of each class against the target, with intervals, while it goes on. */

import type { TargetDistribution } from '../fairness/index.ts';
import { marginalTarget } from '../fairness/index.ts';
import type { Interval } from './intervals.ts';
import { DEFAULT_LEVEL, wilsonInterval } from './intervals.ts';
import type { JudgedPrompt } from './judgement.ts';
import { distributionOf } from './metrics.ts';

/** One attribute over all prompts' images so far. */
export interface LiveAttribute {
  readonly attribute: string;
  readonly classes: readonly string[];
  /** Images of each class, [classes]. */
  readonly counts: readonly number[];
  /** Share of each class among the images with a face, [classes]; 0 while there is none. */
  readonly shares: readonly number[];
  /** Wilson's interval of each share, [classes]; 0 to 1 while there is no face. */
  readonly intervals: readonly Interval[];
  /** Target shares, [classes]; null for an attribute that is only watched. */
  readonly target: readonly number[] | null;
}

/** A model's measurement so far. */
export interface LiveMeasurement {
  /** What is measured: `model`, `original`, `fine-tuned`. */
  readonly label: string;
  /** Group of prompts with a target of its own; null where all have one. */
  readonly group: string | null;
  /** Images judged so far, images in all, and images with a face so far. */
  readonly images: number;
  readonly all: number;
  readonly faces: number;
  /** Confidence level of the intervals. */
  readonly level: number;
  readonly attributes: readonly LiveAttribute[];
}

/** What a measurement is of. */
export interface LiveSubject extends Pick<LiveMeasurement, 'label' | 'group' | 'all'> {
  /** Attributes of the classifier. */
  readonly attributes: readonly { readonly name: string; readonly classes: readonly string[] }[];
  /** What is aimed at; its attributes are compared one by one, a joint target by its marginals. */
  readonly target: TargetDistribution;
}

/** A measurement that grows. */
export interface LiveTally {
  /** Counts judged images and returns the measurement with them. */
  add(judged: Pick<JudgedPrompt, 'classes' | 'seeds'>): LiveMeasurement;
}

/** Begins a measurement with no image. */
export function liveTally({ label, group, all, attributes, target }: LiveSubject): LiveTally {
  const aimed = target.attributes.map(({ name }) => name);
  const columns = attributes.map(({ name, classes }) => ({
    name,
    classes,
    found: [] as number[],
    target: aimed.includes(name) ? marginalTarget(target, name).shares : null,
  }));
  let images = 0;
  return {
    add({ classes: judged, seeds }) {
      images += seeds.length;
      for (const { name, found } of columns) found.push(...judged[name]!);
      const measured = columns.map((column) => {
        const { counts, frequencies, faces } = distributionOf(column.found, column.classes.length);
        return {
          faces,
          shown: {
            attribute: column.name,
            classes: column.classes,
            counts,
            shares: faces === 0 ? counts.map(() => 0) : frequencies,
            intervals: counts.map((count) =>
              faces === 0 ? { low: 0, high: 1 } : wilsonInterval(count, faces, DEFAULT_LEVEL),
            ),
            target: column.target,
          },
        };
      });
      return {
        ...{ label, group, images, all, level: DEFAULT_LEVEL },
        faces: measured[0]?.faces ?? 0,
        attributes: measured.map(({ shown }) => shown),
      };
    },
  };
}
