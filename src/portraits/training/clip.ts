/** Trains CLIP on captioned scenes: the one whose text half is the text encoder of Portraits, and one for evaluation. */

import path from 'node:path';
import { z } from 'zod';
import { randomView, wholeView, writeView } from '../../data/augmentation.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import { input, reshape } from '../../graph/index.ts';
import {
  clipText,
  clipVision,
  parseClipTextConfig,
  parseClipVisionConfig,
  trainableParameters,
} from '../../models/index.ts';
import type { ClipTokenizer } from '../../text/clip_tokenizer.ts';
import { loadClipTokenizer } from '../../text/clip_tokenizer.ts';
import { commonTrainingFields } from '../../training/config.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { indexSampler } from '../../training/recipe.ts';
import { matchingLoss } from '../../training/recipes/contrastive.ts';
import type { Dataset } from '../dataset.ts';
import { writeComponent } from './export.ts';
import { writePreprocessor } from './preprocessor.ts';
import { explicitFamilies, siblingSampler } from './siblings.ts';

/** Configuration of the recipe. */
export const clipRecipeSchema = z.strictObject({
  model: z.enum(['clip', 'clip_evaluation']),
  ...commonTrainingFields,
  /** Tokens of a caption in training; longer captions are cut, positions beyond stay as they were initialised. */
  tokens: z.int().min(2).max(77),
  /**
   * Groups of scenes of one prompt in every batch, whose captions differ in the attributes that they name. Clothes and
   * background don't tell such scenes apart, so that the encoders must learn the words for people.
   */
  siblings: z.strictObject({ groups: z.int().min(0), size: z.int().min(2) }).default({ groups: 0, size: 2 }),
  textEncoder: z.record(z.string(), z.unknown()),
  visionEncoder: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type ClipRecipe = Readonly<z.output<typeof clipRecipeSchema>>;

/** How far views of an image may shift and zoom; colours say too much to be changed. */
const VIEWS = { shift: 0.05, zoom: 1.08, angle: 0, mirror: 0, color: 0 };

/** Token ids of captions, one row of `length` each, as int64. */
export function tokenIds(
  tokenizer: ClipTokenizer,
  captions: readonly string[],
  length: number,
): BigInt64Array {
  const rows = new BigInt64Array(captions.length * length);
  captions.forEach((caption, position) => {
    const { ids } = tokenizer.encode(caption, { maxLength: length });
    ids.forEach((id, i) => {
      rows[position * length + i] = BigInt(id);
    });
  });
  return rows;
}

/** A function from step to a batch's indices: siblings first, the rest from the whole data set. */
function batchSampler(
  { model, seed, batchSize, siblings }: ClipRecipe,
  data: Dataset,
): (step: number) => number[] {
  const near = siblings.groups * siblings.size;
  if (near > batchSize) {
    throw new Error(
      `siblings: expected at most batchSize = ${batchSize} scenes, received ${siblings.groups} * ${siblings.size}`,
    );
  }
  const related = siblingSampler(seed, `${model} siblings`, explicitFamilies(data), siblings);
  const others = indexSampler(seed, `${model} data`, data.count, batchSize - near);
  return (step) => [...related(step), ...others(step)];
}

/**
 * Prepares the training.
 * @param output model folder with a `tokenizer/`; `clip/` and `text_encoder/` are written into it, or `clip_evaluation/`
 */
export function prepareClip(recipe: ClipRecipe, data: Dataset, output: string): PreparedTraining {
  const textConfig = parseClipTextConfig(recipe.textEncoder);
  const visionConfig = parseClipVisionConfig(recipe.visionEncoder);
  const tokenizer = loadClipTokenizer(path.join(output, 'tokenizer'));
  const { parameters, values } = trainableParameters();
  const { batchSize, seed, tokens } = recipe;
  const { projection_dim: projection, image_size: side } = visionConfig;
  const ids = input('ids', [batchSize, tokens], 'int64');
  const pooled = clipText(textConfig, parameters, { ids }).poolerOutput!;
  const textEmbeds = parameters.linear(pooled, 'text_projection', {
    inputs: textConfig.hidden_size,
    outputs: projection,
    bias: false,
  });
  const { imageEmbeds } = clipVision(visionConfig, parameters, input('image', [batchSize, 3, side, side]));
  const logScale = reshape(parameters.tensor('logit_scale', []), [1]);
  const sample = batchSampler(recipe, data);
  const task = {
    name: recipe.model,
    loss: matchingLoss(textEmbeds, imageEmbeds, logScale),
    metrics: { logScale },
    parameters: values,
    batch(step: number) {
      const indices = sample(step);
      const image = new Float32Array(batchSize * 3 * side * side);
      const random = createGenerator({ seed, index: step, stream: `${recipe.model} views` });
      indices.forEach((index, position) => {
        const picture = { width: data.size, height: data.size, pixels: data.pixels(index) };
        writeView(image, position, side, picture, randomView(wholeView(data.size), VIEWS, random));
      });
      return {
        image,
        ids: tokenIds(
          tokenizer,
          indices.map((index) => data.record(index).caption),
          tokens,
        ),
      };
    },
  };
  const initial = initializeParameters(values, seed, [
    [/logit_scale/, { kind: 'constant', value: Math.log(1 / 0.07) }],
    [/token_embedding/, { kind: 'normal', deviation: 0.05 }],
    [/position_embedding|class_embedding/, { kind: 'normal', deviation: 0.02 }],
    [/out_proj\.weight|fc2\.weight/, { kind: 'fan-in', gain: 0.5 }],
  ]);
  return {
    task,
    initial,
    exportModel({ average }) {
      writeClip(recipe, output, values, average);
    },
  };
}

function writeClip(
  recipe: ClipRecipe,
  output: string,
  values: Parameters<typeof writeComponent>[3],
  data: ReadonlyMap<string, Float32Array>,
): void {
  const { projection_dim } = parseClipVisionConfig(recipe.visionEncoder);
  const config = {
    architectures: ['CLIPModel'],
    model_type: 'clip',
    projection_dim,
    text_config: recipe.textEncoder,
    vision_config: recipe.visionEncoder,
  };
  writeComponent(output, recipe.model, config, values, data);
  writePreprocessor(output, recipe.model, Number(recipe.visionEncoder.image_size), 'CLIPImageProcessor');
  if (recipe.model !== 'clip') return;
  const text = new Map([...values].filter(([name]) => name.startsWith('text_model.')));
  writeComponent(output, 'text_encoder', recipe.textEncoder, text, data);
}
