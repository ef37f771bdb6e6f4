/** What worker processes are given, what they tell on the way, and what they return, by task. */

import type { z } from 'zod';
import type { SchedulerName } from '../../diffusion/schedulers/scheduler_config.ts';
import type { ExportDtype, ExportFormat } from '../../evaluate/export/formats.ts';
import type { LiveMeasurement } from '../../evaluate/live_measurement.ts';
import type {
  evaluateRequestSchema,
  finetuneRequestSchema,
  generateRequestSchema,
  progressSchema,
} from '../schemas/jobs.ts';
import type { estimateSchema } from '../schemas/resources.ts';

/** A generation as it is stored: checked, with model and seed. */
export type GenerateRequest = z.output<typeof generateRequestSchema> & {
  readonly model: string;
  readonly seed: number;
};
/** A fine-tuning as it is stored. */
export type FinetuneRequest = z.output<typeof finetuneRequestSchema> & { readonly model: string };
/** An evaluation as it is stored. */
export type EvaluateRequest = z.output<typeof evaluateRequestSchema> & { readonly model: string };

/** One image of the task `draw`. */
export interface DrawImage {
  readonly job: string;
  /** Position among the job's images. */
  readonly index: number;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly seed: number;
  /** Previews on the way. */
  readonly previews: number;
  /** File that the image is written to; its folder exists. */
  readonly file: string;
}

/** Images that are computed together. */
export interface DrawInput {
  readonly model: { readonly name: string; readonly folder: string };
  readonly adapter: { readonly name: string; readonly file: string; readonly scale: number } | null;
  readonly scheduler: SchedulerName;
  readonly karras: boolean;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly width: number;
  readonly height: number;
  readonly images: readonly DrawImage[];
}

/** What `draw` tells: positions are those in the input's images. */
export type DrawEvent =
  | {
      readonly type: 'step';
      readonly first: number;
      readonly images: number;
      readonly step: number;
      readonly steps: number;
    }
  | {
      readonly type: 'preview';
      readonly position: number;
      readonly preview: number;
      readonly step: number;
      readonly steps: number;
      readonly png: Uint8Array;
    }
  | { readonly type: 'image'; readonly position: number };

/** Input of the task `finetune`. */
export interface FinetuneInput {
  readonly request: FinetuneRequest;
  readonly modelFolder: string;
  /** Run folder. */
  readonly output: string;
  readonly trainPrompts: readonly string[];
}

/** Output of the task `finetune`: files are paths in the run folder. */
export interface FinetuneOutput {
  readonly iterations: number;
  readonly seconds: number;
  readonly adapterFile: string;
  readonly bestFile: string | null;
  readonly stopped: string | null;
}

/** A prompt of an evaluation. */
export type EvaluatedPrompt =
  | string
  | {
      readonly prompt: string;
      readonly family?: string;
      readonly attributes?: Readonly<Record<string, string>>;
    };

/** Input of the task `evaluate`. */
export interface EvaluateInput {
  readonly request: EvaluateRequest;
  readonly modelFolder: string;
  readonly adapterFile: string | null;
  /** Report folder. */
  readonly output: string;
  readonly prompts: readonly EvaluatedPrompt[];
}

/** One report of an evaluation. */
export interface WrittenReport {
  /** Group of prompts; null where there is one target for all. */
  readonly group: string | null;
  /** Folder of the report in the report folder, with `/`; empty for the folder itself. */
  readonly folder: string;
  readonly summary: Readonly<Record<string, unknown>>;
}

/** Output of the task `evaluate`. */
export interface EvaluateOutput {
  readonly seconds: number;
  /** One, or one for each group of prompts. */
  readonly reports: readonly WrittenReport[];
}

/** What `finetune` and `evaluate` tell. */
export type TrainEvent =
  | { readonly type: 'progress'; readonly progress: z.infer<typeof progressSchema> }
  | { readonly type: 'measured'; readonly soFar: LiveMeasurement }
  /** A fine-tuning has written a checkpoint or validated. */
  | { readonly type: 'saved' }
  | { readonly type: 'note'; readonly text: string };

/** Input of the task `checkAdapter`. */
export interface CheckAdapterInput {
  readonly file: string;
  readonly modelFolder: string;
}
/** Output of the task `checkAdapter`: text fields of the file's header. */
export interface CheckAdapterOutput {
  readonly metadata: Readonly<Record<string, string>>;
}

/** Input of the task `judge`: PNG files, base64, judged by the models beside a model. Its output is a `LiveMeasurement`. */
export interface JudgeInput {
  readonly modelFolder: string;
  readonly images: readonly string[];
}

/** Input of the task `exportAdapter`. */
export interface ExportInput {
  readonly adapterFile: string;
  readonly modelFolder: string;
  /** Name of the adapter. */
  readonly name: string;
  /** What it was trained for; null where only its own header may say. */
  readonly target: unknown;
  /** Reports that may be about it, the likeliest first. */
  readonly reports: readonly string[];
  readonly format?: ExportFormat | undefined;
  readonly dtype?: ExportDtype | undefined;
  readonly token?: string | undefined;
  /** Empty folder that the export is written into. */
  readonly folder: string;
}
/** Output of the task `exportAdapter`. */
export type ExportOutput =
  | {
      readonly format: ExportFormat;
      /** File, or folder, in the folder. */
      readonly written: string;
      /** Position of the report whose numbers are in the header. */
      readonly report: number | null;
    }
  /** Why the adapter cannot be exported like this. */
  | { readonly refused: string };

/** Input of the task `estimate`. */
export type EstimateInput = FinetuneInput;
/** Output of the task `estimate`. */
export type EstimateOutput = z.infer<typeof estimateSchema>;
