/** Trains a classifier of gender, race and age on face crops of Portraits, and writes it with its class names. */

import { z } from 'zod';
import type { AugmentationRanges } from '../../data/augmentation.ts';
import { randomColor, randomView, writeView } from '../../data/augmentation.ts';
import type { DegradationRanges } from '../../data/degradation.ts';
import { degradeImage } from '../../data/degradation.ts';
import type { Generator } from '../../diffusion/noise.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import { input } from '../../graph/index.ts';
import { imageClassifier, parseImageClassifierConfig } from '../../models/image_classifier.ts';
import { trainableParameters } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { classificationLoss, classificationTargets } from '../../training/recipes/classification.ts';
import type { Dataset } from '../dataset.ts';
import { GROUP_COUNT } from '../scene.ts';
import { augmentationSchema } from './augmentation_fields.ts';
import { writeComponent } from './export.ts';
import type { SingleFace } from './faces.ts';
import { ATTRIBUTE_CLASSES, faceLabels, facesByGroup, faceView, singleFaces } from './faces.ts';
import { writePreprocessor } from './preprocessor.ts';
import { takeTurns } from './turns.ts';

/** Recipe fields for the faults that crops may have. */
export const degradationSchema = z.strictObject({
  probability: z.number().min(0).max(1),
  resolution: z.number().positive().max(1),
  noise: z.number().min(0),
});

/** Configuration of the recipe; `model` names the folder that the classifier is written to. */
export const classifierRecipeSchema = z.strictObject({
  model: z.enum(['classifier', 'classifier_evaluation']),
  ...commonTrainingFields,
  /** Share of the target probability that is spread over all classes. */
  smoothing: z.number().min(0).lt(1).default(0.05),
  augmentation: augmentationSchema,
  degradation: degradationSchema,
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type ClassifierRecipe = Readonly<z.output<typeof classifierRecipeSchema>>;

/**
 * Varied crops of faces as planes [faces.length, 3, side, side] in -1..1: moved, zoomed, turned, mirrored and tinted, with
 * soft faults.
 */
export function faceCrops(
  data: Dataset,
  faces: readonly SingleFace[],
  side: number,
  ranges: AugmentationRanges,
  degradation: DegradationRanges,
  random: Generator,
): Float32Array {
  const batch = new Float32Array(faces.length * 3 * side * side);
  faces.forEach(({ index, face }, position) => {
    const image = { width: data.size, height: data.size, pixels: data.pixels(index) };
    const view = randomView(faceView(face.box), ranges, random);
    writeView(batch, position, side, image, view, randomColor(ranges, random));
    degradeImage(batch, position, side, degradation, random);
  });
  return batch;
}

/**
 * Prepares the training on the pictures with one person; the 16 groups take turns in every batch.
 * @param output model folder into which `classifier/` or `classifier_evaluation/` is written
 * @throws Error when the architecture's heads are not those of {@link ATTRIBUTE_CLASSES}
 */
export function prepareClassifier(recipe: ClassifierRecipe, data: Dataset, output: string): PreparedTraining {
  const config = parseImageClassifierConfig(recipe.architecture);
  const classes = Object.fromEntries(
    Object.entries(ATTRIBUTE_CLASSES).map(([name, { length }]) => [name, length]),
  );
  if (JSON.stringify(config.heads) !== JSON.stringify(classes)) {
    throw new Error(
      `${recipe.model}: expected architecture.heads ${JSON.stringify(classes)}, received ${JSON.stringify(config.heads)}`,
    );
  }
  const { batchSize, seed, smoothing, augmentation, degradation } = recipe;
  const side = config.image_size;
  const { parameters, values } = trainableParameters();
  const { logits } = imageClassifier(config, parameters, input('image', [batchSize, 3, side, side]));
  const { loss, metrics } = classificationLoss(logits);
  const pattern = Array.from({ length: batchSize }, (_, i) => i % GROUP_COUNT);
  const sample = takeTurns(seed, recipe.model, facesByGroup(singleFaces(data)), pattern);
  const task = {
    name: recipe.model,
    loss,
    metrics,
    parameters: values,
    batch(step: number) {
      const faces = sample(step);
      const random = createGenerator({ seed, index: step, stream: `${recipe.model} views` });
      return {
        image: faceCrops(data, faces, side, augmentation, degradation, random),
        ...classificationTargets(faceLabels(faces), classes, smoothing),
      };
    },
  };
  return {
    task,
    initial: initializeParameters(values, seed),
    exportModel({ average }) {
      const written = { ...recipe.architecture, classes: ATTRIBUTE_CLASSES };
      writeComponent(output, recipe.model, written, values, average);
      writePreprocessor(output, recipe.model, side, 'ViTImageProcessor');
    },
  };
}
