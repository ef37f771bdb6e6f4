/** Trains the small vision transformers of Portraits without labels (DINO) and writes them as DINOv2 folders. */

import { z } from 'zod';
import { type AugmentationRanges, randomColor, randomView, writeView } from '../../data/augmentation.ts';
import type { Generator } from '../../diffusion/noise.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import type { Value } from '../../graph/index.ts';
import type { TrainableParameters } from '../../models/index.ts';
import { dinov2, parseDinoV2Config, trainableParameters } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import type { InitializationRules } from '../../training/initialization.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { indexSampler } from '../../training/recipe.ts';
import { prototypeScores, twoViewLoss } from '../../training/recipes/self_distillation.ts';
import type { Dataset } from '../dataset.ts';
import { augmentationSchema } from './augmentation_fields.ts';
import { writeComponent } from './export.ts';
import { writePreprocessor } from './preprocessor.ts';

/** Configuration of the recipe. */
export const dinoRecipeSchema = z.strictObject({
  model: z.enum(['dino', 'dino_evaluation']),
  ...commonTrainingFields,
  /** Sizes of the projection head, which is left behind after training. */
  head: z.strictObject({ hidden: z.int().min(1), bottleneck: z.int().min(1), prototypes: z.int().min(2) }),
  temperatures: z.strictObject({ student: z.number().positive(), teacher: z.number().positive() }),
  /** Weight of the loss that moves the features of different pictures apart. */
  spread: z.number().min(0).default(0),
  /** Side of a view as a share of the picture's, before zooming. */
  crop: z.number().positive().max(1),
  augmentation: augmentationSchema,
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type DinoRecipe = Readonly<z.output<typeof dinoRecipeSchema>>;

const INITIALIZATION: InitializationRules = [
  [/\.lambda1$/, { kind: 'constant', value: 1 }],
  [/(attention\.output\.dense|mlp\.fc2)\.weight$/, { kind: 'fan-in', gain: 0.5 }],
  [/cls_token$/, { kind: 'normal', deviation: 0.02 }],
  [/position_embeddings$/, { kind: 'normal', deviation: 0.2 }],
];

/** Parameter names of the projection head. */
const HEAD = /^(head|prototypes)\./;

/**
 * A random view of each of some pictures as planes [indices.length, 3, side, side] in -1..1.
 * @param crop side of a view as a share of the picture's, before zooming
 */
export function randomViews(
  data: Dataset,
  indices: readonly number[],
  side: number,
  crop: number,
  ranges: AugmentationRanges,
  random: Generator,
): Float32Array {
  const { size } = data;
  const batch = new Float32Array(indices.length * 3 * side * side);
  const base = { x: size / 2, y: size / 2, size: size * crop, angle: 0, mirrored: false };
  indices.forEach((index, position) => {
    const image = { width: size, height: size, pixels: data.pixels(index) };
    const view = randomView(base, ranges, random);
    writeView(batch, position, side, image, view, randomColor(ranges, random));
  });
  return batch;
}

/**
 * Prepares the training. The teacher is the moving average of the student.
 * @param output model folder into which `dino/` or `dino_evaluation/` is written, without the projection head
 */
export function prepareDino(recipe: DinoRecipe, data: Dataset, output: string): PreparedTraining {
  const config = parseDinoV2Config(recipe.architecture);
  const { batchSize, seed, crop, augmentation, model, temperatures, spread } = recipe;
  const side = config.imageSize;
  const student = trainableParameters();
  const teacher = trainableParameters('teacher.');
  const head = { inputs: config.width, ...recipe.head };
  const seen =
    ({ parameters }: TrainableParameters) =>
    (view: Value) => {
      const { classToken: features } = dinov2(config, parameters, view);
      return { features, scores: prototypeScores(head, parameters, features) };
    };
  const loss = twoViewLoss(seen(student), seen(teacher), batchSize, side, { temperatures, spread });
  const sample = indexSampler(seed, `${model} data`, data.count, batchSize);
  const views = (step: number, stream: string) => {
    const random = createGenerator({ seed, index: step, stream });
    return randomViews(data, sample(step), side, crop, augmentation, random);
  };
  const task = {
    name: model,
    loss,
    metrics: {},
    parameters: student.values,
    batch: (step: number, average: ReadonlyMap<string, Float32Array>) => ({
      first: views(step, `${model} first view`),
      second: views(step, `${model} second view`),
      ...Object.fromEntries([...average].map(([name, values]) => [`teacher.${name}`, values])),
    }),
  };
  return {
    task,
    initial: initializeParameters(student.values, seed, INITIALIZATION),
    exportModel({ average }) {
      const kept = new Map([...student.values].filter(([name]) => !HEAD.test(name)));
      writeComponent(output, model, recipe.architecture, kept, average);
      writePreprocessor(output, model, side, 'BitImageProcessor');
    },
  };
}
