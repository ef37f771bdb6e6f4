/** What a report is made from: plain data, without a browser or a model. */

import type { AttributeResult } from './attribute_result.ts';
import type { AttributeChange } from './comparison.ts';
import type { ComparisonBars } from './figures/comparison_bars.ts';
import type { DotPlot } from './figures/dot_plot.ts';
import type { LineChart } from './figures/line_chart.ts';
import type { StackedBars } from './figures/stacked_bars.ts';
import type { Summary } from './metrics.ts';

/** A file that took part: a model, an adapter or a classifier. */
export interface Artifact {
  /** Name, hub id or path. */
  readonly name: string;
  /** Hash of its content, with the algorithm: 'sha256:...'. */
  readonly hash?: string;
}

/** How the images were made and judged: enough to make them again. */
export interface Setup {
  /** The text-to-image model. */
  readonly model: Artifact;
  /** The adapter of the fine-tuned model. */
  readonly adapter?: Artifact;
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
  /** Anything else worth recording, by name. */
  readonly more?: Readonly<Record<string, string | number>>;
}

/** A measure that isn't about people: CLIP-T, CLIP-I, DINO. */
export interface QualityMeasure extends Summary {
  /** Its name. */
  readonly name: string;
  /** Whether more or less is better. */
  readonly better: 'higher' | 'lower';
}

/** One evaluated model. */
export interface Evaluation {
  /** Its name: 'original', 'fine-tuned'. */
  readonly label: string;
  /** Results, attribute by attribute: trained ones, their joint table, and ones that were not trained. */
  readonly attributes: readonly AttributeResult[];
  /** Measures of image quality and similarity. */
  readonly quality?: readonly QualityMeasure[];
}

/** A chart of the report. */
export type ReportChart =
  | { readonly kind: 'line'; readonly chart: LineChart; readonly caption: string }
  | { readonly kind: 'comparison'; readonly chart: ComparisonBars; readonly caption: string }
  | { readonly kind: 'stacked'; readonly chart: StackedBars; readonly caption: string }
  | { readonly kind: 'dots'; readonly chart: DotPlot; readonly caption: string };

/** An image of the report, a contact sheet for instance. */
export interface ReportImage {
  /** PNG file content. */
  readonly png: Uint8Array;
  /** What it shows, for readers who can't see it. */
  readonly alternative: string;
  /** Text under it. */
  readonly caption: string;
}

/** Everything that a report shows. */
export interface ReportData {
  /** Title. */
  readonly title: string;
  /** A few sentences under the title. */
  readonly summary?: string;
  /** When the evaluation ended, ISO 8601. */
  readonly created: string;
  /** How the images were made and judged. */
  readonly setup: Setup;
  /** One evaluation, or several in order: before, after. */
  readonly evaluations: readonly Evaluation[];
  /** Change from the first to the last evaluation. */
  readonly changes?: readonly AttributeChange[];
  /** Further charts: training curves, gradients. */
  readonly charts?: readonly ReportChart[];
  /** Contact sheets. */
  readonly images?: readonly ReportImage[];
  /** Remarks and limits, one paragraph each. */
  readonly notes?: readonly string[];
}
