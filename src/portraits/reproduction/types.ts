/** What the parts of the reproduction are made with and what they leave. */

import type { Adapter } from '../../diffusion/adapter.ts';
import type { TextToImagePipeline } from '../../diffusion/pipeline.ts';
import type { Precision } from '../../diffusion/precision.ts';
import type { Evaluation } from '../../evaluate/evaluate.ts';
import type { ImageEncoder } from '../../fairness/index.ts';
import type { ImageObjective } from '../../finetune/objective.ts';
import type { FinetuneSettings } from '../../finetune/settings.ts';
import type { Runtime } from '../../graph/index.ts';
import type { Budget } from './settings.ts';

/** A line of a finetuning run's log. */
export interface LogLine {
  readonly iteration: number;
  readonly loss: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly validation?: Readonly<Record<string, number | null>>;
}

/** A finetuning run that is done. */
export interface FinishedRun {
  /** The run's name. */
  readonly name: string;
  readonly adapter: Adapter;
  /** File of the adapter. */
  readonly file: string;
  readonly log: readonly LogLine[];
}

/** Fields of a finetuning configuration, without model and folder. */
export type RunFields = Readonly<Record<string, unknown>>;

/** A finetuning run with an objective of its own. */
export interface OwnRun {
  readonly pipeline: TextToImagePipeline;
  readonly objective: ImageObjective;
  /** The digest need not say anything about the model. */
  readonly settings: Omit<FinetuneSettings, 'directory'>;
}

/** Prompts to measure on. */
export interface Measurement {
  /** Held-out prompts. */
  readonly prompts: readonly string[];
  readonly imagesPerPrompt: number;
  /** Images of each of the first prompts that are kept for figures. */
  readonly keep?: number;
}

/** What parts work with; everything that takes long goes on where it was stopped. */
export interface Laboratory {
  readonly budget: Budget;
  readonly runtime: Runtime;
  /** Draws the model's images, several at once. */
  readonly pipeline: TextToImagePipeline;
  /** The same model, drawing `batch` images at a time, in float32 when left out; to be released by who asked for it. */
  openPipeline(batch: number, precision?: Precision): TextToImagePipeline;
  /** Encoders of the image semantics loss. */
  encoders(): readonly ImageEncoder[];
  /** `count` prompts of a shipped list, spread evenly over it. */
  prompts(list: string, split: 'train' | 'test', count: number): string[];
  /** Finetunes, or finds the run that is done. */
  train(name: string, fields: RunFields): Promise<FinishedRun>;
  /** Finetunes with an objective that no configuration can say, or finds the run that is done; returns its log. */
  trainOwn(name: string, run: OwnRun): Promise<readonly LogLine[]>;
  /** Draws and judges images of the model, with or without an adapter, from the same noise. */
  measure(run: FinishedRun | null, what: Measurement): Promise<Evaluation>;
  /** Features that evaluations hold: their lengths, and CLIP's embeddings of prompts where it has a text half. */
  features(prompts: readonly string[]): Promise<{
    readonly dimensions?: Readonly<Record<string, number>>;
    readonly texts?: ReadonlyMap<string, Float32Array>;
  }>;
  /** Tells how far a task is. */
  progress(task: string, step: number, steps: number): void;
  readonly signal: AbortSignal;
}

/** A published value: mean and standard deviation over prompts, for Stable Diffusion 1.5. */
export interface Published {
  readonly value: number;
  readonly deviation: number | null;
}

/** One measured number. */
export interface ResultNumber {
  /** Row and column of its table. */
  readonly row: string;
  readonly measure: string;
  readonly value: number;
  /** Ends of its interval; null where it has none, such as a number that is computed and not measured. */
  readonly low: number | null;
  readonly high: number | null;
  /** What the interval is. */
  readonly interval: string | null;
  /** Standard deviation over prompts. */
  readonly deviation: number | null;
  /** What a model exactly on target would measure. */
  readonly floor: number | null;
  /** The same quantity as it was published; null where it was not. */
  readonly published: Published | null;
}

/** A drawn figure. */
export interface DrawnFigure {
  /** Name of its file, without ending. */
  readonly name: string;
  readonly caption: string;
  /** SVG of a chart; null for a grid of images. */
  readonly svg: string | null;
  readonly png: Uint8Array;
}

/** What a part found. */
export interface PartResult {
  readonly title: string;
  /** What was done and what is to be seen, a paragraph each. */
  readonly text: readonly string[];
  readonly numbers: readonly ResultNumber[];
  readonly figures: readonly DrawnFigure[];
  /** Runs whose adapters belong to the results; none when left out. */
  readonly runs?: readonly Pick<FinishedRun, 'name' | 'file'>[];
}
