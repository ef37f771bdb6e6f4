/** Configuration of `evenhand evaluate`: every field with its default. */

import { z } from 'zod';
import { LARGEST_ADAPTER_SCALE } from '../diffusion/adapter_scale.ts';
import { TEXT_CONTEXTS } from '../diffusion/text_context.ts';
import { promptSchema } from '../evaluate/prompt_set.ts';
import { finetuneConfigSchema } from '../finetune/config.ts';

/** Fields of a configuration file. */
export const evaluateConfigSchema = z.strictObject({
  /** `portraits`, or a model folder. */
  model: z.string().optional(),
  /** Which tokens of a prompt the U-Net sees, as in a configuration of `finetune`; `padded` when left out. */
  textContext: z.enum(TEXT_CONTEXTS).optional(),
  /** Adapter that is measured against the model without it. */
  adapter: z.string().optional(),
  /** How strongly the adapter's low-rank updates count: 0 for not at all, 1 as trained. */
  adapterScale: z.number().min(-LARGEST_ADAPTER_SCALE).max(LARGEST_ADAPTER_SCALE).default(1),
  /** Folder with `face_detector/` and `classifier_evaluation/`; the model's own when left out. */
  judges: z.string().optional(),
  /** Other people's face models in place of the judges' own: cards by file or by the name of a shipped card, or folders. */
  faces: z
    .strictObject({
      detector: z.string().optional(),
      /** Several classifiers judge together, each its own attributes. */
      classifiers: z.array(z.string()).min(1).optional(),
    })
    .optional(),
  /** Report folder. */
  output: z.string().default('runs/evaluate'),
  /** Seed of the first image. */
  seed: z.int().min(0).default(1000),
  /** The distribution that is aimed at; further attributes are measured beside it. */
  target: finetuneConfigSchema.shape.target.prefault({ gender: 'uniform' }),
  prompts: z
    .strictObject({
      /**
       * A prompt list by name (its held-out part), `list+list` or `all`; a file: text with a prompt a line, or YAML or JSON
       * with prompts, families and named attributes; or the prompts themselves.
       */
      test: z.union([z.string(), z.array(promptSchema).min(1)]).default('occupations'),
      /** How many of them, spread over the list; all when left out. */
      count: z.int().min(1).optional(),
      negative: z.string().default(''),
      /** 60 for two classes, 80 for more, 160 for several attributes when left out. */
      imagesPerPrompt: z.int().min(1).optional(),
    })
    .prefault({}),
  sampler: z
    .strictObject({
      steps: z.int().min(1).default(30),
      guidanceScale: z.number().min(1).optional(),
    })
    .prefault({}),
  /** Prompts that name attributes, which must be obeyed before and after. */
  explicit: z
    .strictObject({
      /** `shipped`, `none`, a file, or the prompts themselves with their attributes. */
      prompts: z.union([z.string(), z.array(promptSchema).min(1)]).default('shipped'),
      /** 16, or as many as of the other prompts where those are fewer, when left out. */
      imagesPerPrompt: z.int().min(1).optional(),
      /** Seed of the first image. */
      seed: z.int().min(0).default(50_000),
    })
    .prefault({}),
  /**
   * Folders of CLIP and DINOv2, or their names beside the judges (`clip_evaluation`); `clip` and `dino` there when left out, null
   * for none.
   */
  features: z
    .strictObject({ clip: z.string().nullable().optional(), dino: z.string().nullable().optional() })
    .prefault({}),
  /** Folder of real images that the generated ones are compared with. */
  realImages: z.string().optional(),
  /** Images of each of the first prompts on the report's contact sheet. */
  sheet: z
    .strictObject({ prompts: z.int().min(1).default(6), images: z.int().min(1).default(8) })
    .prefault({}),
});

/** A checked configuration. */
export type EvaluateConfig = Readonly<z.output<typeof evaluateConfigSchema>>;

/** Images of each prompt where a configuration does not say: enough for the table that is measured ([P] 0124). */
export function defaultImagesPerPrompt(
  attributes: readonly { readonly classes: readonly string[] }[],
): number {
  if (attributes.length > 1) return 160;
  return (attributes[0]?.classes.length ?? 0) > 2 ? 80 : 60;
}
