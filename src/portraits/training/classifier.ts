/** Trains a classifier of gender, race and age on face crops of Portraits, and writes it with its class names. */

import { z } from 'zod';
import type { AugmentationRanges } from '../../data/augmentation.ts';
import { randomColor, randomView, writeView } from '../../data/augmentation.ts';
import type { DegradationRanges } from '../../data/degradation.ts';
import { degradeImage } from '../../data/degradation.ts';
import type { Mixture } from '../../data/mixing.ts';
import { mixImages, mixTargets } from '../../data/mixing.ts';
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
import type { Attributes } from '../scene.ts';
import { GROUP_COUNT, groupAttributes, groupIndex } from '../scene.ts';
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
  /** Whether crops are mixed with crops of another class of one attribute, and their targets with them (`mixTargets`). */
  mixing: z
    .strictObject({ probability: z.number().min(0).max(1), sharpness: z.number().min(1).default(1) })
    .default({ probability: 0, sharpness: 1 }),
  augmentation: augmentationSchema,
  degradation: degradationSchema,
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type ClassifierRecipe = Readonly<z.output<typeof classifierRecipeSchema>>;

/** How crops of a batch are varied. */
export interface CropVariation {
  readonly augmentation: AugmentationRanges;
  readonly degradation: DegradationRanges;
  /** Probability of a mixture of two crops. */
  readonly mixing: { readonly probability: number };
}

/**
 * Varied crops of faces as planes [faces.length, 3, side, side] in -1..1: moved, zoomed, turned, mirrored and tinted, mixed,
 * with soft faults.
 * @param faces one of each group after the other, in the order of `groupIndex`
 */
export function faceCrops(
  data: Dataset,
  faces: readonly SingleFace[],
  side: number,
  { augmentation, degradation, mixing }: CropVariation,
  random: Generator,
): { readonly image: Float32Array; readonly mixture: Mixture } {
  const image = new Float32Array(faces.length * 3 * side * side);
  faces.forEach(({ index, face }, position) => {
    const picture = { width: data.size, height: data.size, pixels: data.pixels(index) };
    const view = randomView(faceView(face.box), augmentation, random);
    writeView(image, position, side, picture, view, randomColor(augmentation, random));
  });
  const partnerOf = (position: number) => {
    const group = position % GROUP_COUNT;
    const partner = position - group + groupIndex(withOtherClass(groupAttributes(group), random));
    return partner < faces.length ? partner : position;
  };
  const mixture = mixImages(image, side, partnerOf, mixing.probability, random);
  for (let position = 0; position < faces.length; position++) {
    degradeImage(image, position, side, degradation, random);
  }
  return { image, mixture };
}

/** Attributes that differ in one, each as likely as the others. */
function withOtherClass(attributes: Attributes, random: Generator): Attributes {
  const names = Object.keys(ATTRIBUTE_CLASSES) as (keyof Attributes)[];
  const name = names[random.integer(names.length)]!;
  const others = ATTRIBUTE_CLASSES[name].filter((other) => other !== attributes[name]);
  return { ...attributes, [name]: others[random.integer(others.length)]! };
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
  const { batchSize, seed, smoothing, mixing } = recipe;
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
      const { image, mixture } = faceCrops(data, faces, side, recipe, random);
      const targets = classificationTargets(faceLabels(faces), classes, smoothing);
      const mixed = Object.entries(targets).map(([name, rows]) => [
        name,
        mixTargets(rows, mixture, mixing.sharpness),
      ]);
      return { image, ...(Object.fromEntries(mixed) as Record<string, Float32Array>) };
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
