/** What a report is made from: plain data, without a browser or a model. */

import type { AttributeResult } from './attribute_result.ts';
import type { BootstrapInterval } from './bootstrap.ts';
import type { AttributeChange } from './comparison.ts';
import type { FaceRates, Rate, RateChange } from './face_rates.ts';
import type { ComparisonBars } from './figures/comparison_bars.ts';
import type { DotPlot } from './figures/dot_plot.ts';
import type { LineChart } from './figures/line_chart.ts';
import type { StackedBars } from './figures/stacked_bars.ts';
import type { Interval } from './intervals.ts';
import type { KernelDistance } from './kernel_distance.ts';
import type { Summary } from './metrics.ts';
import type { Obedience, ObedienceChange } from './obedience.ts';
import type { SimilarityByPerson } from './person_change.ts';
import type { ProvenanceFile } from './provenance.ts';

/** A file that took part: a model, an adapter or a classifier. */
export interface Artifact {
  /** Name, hub id or path. */
  readonly name: string;
  /** Hash of its content, with the algorithm: 'sha256:...'. */
  readonly hash?: string;
}

/** An adapter that took part. */
export interface AdapterArtifact extends Artifact {
  /** How strongly its low-rank updates counted; 1, as trained, when left out. */
  readonly scale?: number;
}

/** How the images were made and judged: enough to make them again. */
export interface Setup {
  /** The text-to-image model. */
  readonly model: Artifact;
  /** The adapter of the fine-tuned model. */
  readonly adapter?: AdapterArtifact;
  /** Seeds, as text: '1000 to 1059 for each prompt'. */
  readonly seeds: string;
  /** Sampler, with its options. */
  readonly sampler: string;
  /** Number of sampling steps. */
  readonly steps: number;
  /** Scale of classifier-free guidance. */
  readonly guidanceScale: number;
  /** Classifiers and detectors that judged the images. */
  readonly classifiers: readonly Artifact[];
  /** Every file of weights or configuration that took part. */
  readonly files?: readonly ProvenanceFile[];
  /** Anything else worth recording, by name. */
  readonly more?: Readonly<Record<string, string | number>>;
}

/** A measure that isn't about people: CLIP-T, CLIP-I, DINO. Its summary is over prompts. */
export interface QualityMeasure extends Summary {
  /** Its name. */
  readonly name: string;
  /** Whether more or less is better. */
  readonly better: 'higher' | 'lower';
  /** Interval of the mean, from images resampled within prompts. */
  readonly interval?: Interval;
  /** Images over all prompts. */
  readonly images?: number;
}

/** Change of a quality measure, pairs of images resampled within prompts. */
export interface QualityChange extends BootstrapInterval {
  /** Name of the measure. */
  readonly name: string;
}

/** One evaluated model. */
export interface Evaluation {
  /** Its name: 'original', 'fine-tuned'. */
  readonly label: string;
  /** Results, attribute by attribute: trained ones, their joint table, and ones that were not trained. */
  readonly attributes: readonly AttributeResult[];
  /** Images without a face or with several. */
  readonly faces?: FaceRates;
  /** Faces of whose class the classifier is uncertain, by attribute. */
  readonly uncertain?: Readonly<Record<string, Rate>>;
  /** Measures of image quality and similarity. */
  readonly quality?: readonly QualityMeasure[];
  /** What becomes of prompts that name attributes. */
  readonly obedience?: Obedience;
}

/** Evaluations of the same prompts, and what changed from the first to the last. */
export interface Comparison {
  /** One evaluation, or several in order: before, after. */
  readonly evaluations: readonly Evaluation[];
  /** Change from the first to the last evaluation. */
  readonly changes?: readonly AttributeChange[];
  /** Change of the quality measures that both have. */
  readonly qualityChanges?: readonly QualityChange[];
  /** Quality measures by whether an image and its original show a person of the same group. */
  readonly qualityByPerson?: readonly SimilarityByPerson[];
  /** Change of the rates of images without a face or with several. */
  readonly faceChanges?: Readonly<Record<keyof FaceRates, RateChange | null>>;
  /** Change of the rates of uncertain faces, by attribute. */
  readonly uncertainChanges?: Readonly<Record<string, RateChange | null>>;
}

/** The prompts of one family alone. */
export interface FamilyComparison extends Comparison {
  /** Name of the family. */
  readonly family: string;
}

/** KID between two sets of images. */
export interface ImageDistance extends KernelDistance {
  /** The encoder whose features are compared: `clip`, `dino`. */
  readonly features: string;
  /** Whose images. */
  readonly from: string;
  /** The other images: another model's, or a folder of real ones. */
  readonly to: string;
}

/** Name that prompts with named attributes have as a family. */
export const EXPLICIT_FAMILY = 'explicit';

/** One image as the tables for spreadsheets hold it. */
export interface ImageRow {
  /** Label of the evaluation. */
  readonly evaluation: string;
  /** Family of its prompt; {@link EXPLICIT_FAMILY} for prompts that name attributes. */
  readonly family: string;
  readonly prompt: string;
  readonly seed: number;
  /** Number of faces. */
  readonly faces: number;
  /** Class of the largest face and its probability by attribute; null without a face. */
  readonly attributes: Readonly<
    Record<string, { readonly name: string; readonly probability: number } | null>
  >;
  /** CLIP-T, CLIP-I, DINO by name, as far as they were measured. */
  readonly similarities: Readonly<Record<string, number>>;
}

/** A chart of the report. */
export type ReportChart =
  | { readonly kind: 'line'; readonly chart: LineChart; readonly caption: string }
  | { readonly kind: 'comparison'; readonly chart: ComparisonBars; readonly caption: string }
  | { readonly kind: 'stacked'; readonly chart: StackedBars; readonly caption: string }
  | { readonly kind: 'dots'; readonly chart: DotPlot; readonly caption: string };

/** One tile of a contact sheet, in numbers. */
export interface SheetTile {
  /** Label of the evaluation. */
  readonly evaluation: string;
  readonly prompt: string;
  readonly seed: number;
  /** Class of the largest face and its probability by attribute; null without a face. */
  readonly attributes: ImageRow['attributes'];
}

/** An image of the report, a contact sheet for instance. */
export interface ReportImage {
  /** PNG file content. */
  readonly png: Uint8Array;
  /** The same for dark pages. */
  readonly darkPng?: Uint8Array;
  /** What it shows, for readers who can't see it. */
  readonly alternative: string;
  /** Text under it. */
  readonly caption: string;
  /** What the bars of a contact sheet say. */
  readonly tiles?: readonly SheetTile[];
}

/** Everything that a report shows. */
export interface ReportData extends Comparison {
  /** Title. */
  readonly title: string;
  /** A few sentences under the title. */
  readonly summary?: string;
  /** When the evaluation ended, ISO 8601. */
  readonly created: string;
  /** How the images were made and judged. */
  readonly setup: Setup;
  /** The same for each family of prompts, where there are several. */
  readonly families?: readonly FamilyComparison[];
  /** KID between the sets of images. */
  readonly distances?: readonly ImageDistance[];
  /** Change of obedience from the first to the last evaluation. */
  readonly obedienceChange?: ObedienceChange;
  /** Further charts: training curves, gradients. */
  readonly charts?: readonly ReportChart[];
  /** Contact sheets. */
  readonly images?: readonly ReportImage[];
  /** Every image, for `images.csv` alone. */
  readonly rows?: readonly ImageRow[];
  /** Remarks and limits, one paragraph each. */
  readonly notes?: readonly string[];
}
