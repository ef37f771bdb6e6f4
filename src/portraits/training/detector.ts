/** Trains the face detector of Portraits on whole scenes: one person, several, or nobody. */

import { z } from 'zod';
import type { View } from '../../data/augmentation.ts';
import { randomColor, randomView, wholeView, writeView } from '../../data/augmentation.ts';
import { degradeImage } from '../../data/degradation.ts';
import { boxThroughView, throughView } from '../../data/view_geometry.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import type { Value } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import { faceDetector, parseFaceDetectorConfig } from '../../models/face_detector.ts';
import type { FaceAnnotation } from '../../models/face_detector_loss.ts';
import { faceDetectorLoss, faceTargetShapes, faceTargets } from '../../models/face_detector_loss.ts';
import { trainableParameters } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import type { Dataset } from '../dataset.ts';
import type { FaceTruth } from '../draw.ts';
import { augmentationSchema } from './augmentation_fields.ts';
import { degradationSchema } from './classifier.ts';
import { writeComponent } from './export.ts';
import { writePreprocessor } from './preprocessor.ts';
import { takeTurns } from './turns.ts';

/** Configuration of the recipe. */
export const detectorRecipeSchema = z.strictObject({
  model: z.literal('face_detector'),
  ...commonTrainingFields,
  /** How many pictures of a batch show several people, or nobody; the others show one person. */
  several: z.int().min(0),
  nobody: z.int().min(0),
  augmentation: augmentationSchema,
  degradation: degradationSchema,
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type DetectorRecipe = Readonly<z.output<typeof detectorRecipeSchema>>;

/** Places of the landmarks in a mirrored picture: the eyes and the corners of the mouth change sides. */
const MIRRORED_ORDER = [1, 0, 2, 4, 3] as const;

/**
 * What a detector should find in a view of a picture: the faces whose centres lie inside.
 * @param side side of the image that shows the view, in pixels
 */
export function annotationsInView(faces: readonly FaceTruth[], view: View, side: number): FaceAnnotation[] {
  const inside = (value: number) => value > 0 && value < side;
  return faces
    .map(({ box, landmarks }) => {
      const order = view.mirrored ? MIRRORED_ORDER : landmarks.map((_, i) => i);
      const points = order.map((i) => throughView(view, side, landmarks[i] as readonly [number, number]));
      return { box: boxThroughView(view, side, box), landmarks: points.flat() };
    })
    .filter(({ box: [x0, y0, x1, y1] }) => inside((x0 + x1) / 2) && inside((y0 + y1) / 2));
}

/**
 * Prepares the training. Pictures are moved and zoomed far, so that the detector looks for faces instead of remembering
 * where they usually are.
 * @param output model folder into which `face_detector/` is written
 */
export function prepareDetector(recipe: DetectorRecipe, data: Dataset, output: string): PreparedTraining {
  const config = parseFaceDetectorConfig(recipe.architecture);
  const { batchSize, seed, several, nobody, augmentation, degradation } = recipe;
  const side = config.image_size;
  const { parameters, values } = trainableParameters();
  const outputs = faceDetector(config, parameters, input('image', [batchSize, 3, side, side]));
  const targets: Record<string, Value> = {};
  for (const [name, shape] of Object.entries(faceTargetShapes(config, batchSize))) {
    targets[name] = input(name, shape);
  }
  const { loss, ...metrics } = faceDetectorLoss(config, outputs, targets);
  const pools: number[][] = [[], [], []];
  for (let index = 0; index < data.count; index++) {
    pools[Math.min(2, data.record(index).faces.length)]!.push(index);
  }
  const pattern = Array.from({ length: batchSize }, (_, i) =>
    i < nobody ? 0 : i < nobody + several ? 2 : 1,
  );
  const sample = takeTurns(seed, 'face detector', pools, pattern);
  const task = {
    name: 'face_detector',
    loss,
    metrics,
    parameters: values,
    batch(step: number) {
      const random = createGenerator({ seed, index: step, stream: 'face detector views' });
      const image = new Float32Array(batchSize * 3 * side * side);
      const annotations = sample(step).map((index, position) => {
        const picture = { width: data.size, height: data.size, pixels: data.pixels(index) };
        const view = randomView(wholeView(data.size), augmentation, random);
        writeView(image, position, side, picture, view, randomColor(augmentation, random));
        degradeImage(image, position, side, degradation, random);
        return annotationsInView(data.record(index).faces, view, side);
      });
      return { image, ...faceTargets(config, annotations) };
    },
  };
  return {
    task,
    initial: initializeParameters(values, seed),
    exportModel({ average }) {
      writeComponent(output, 'face_detector', recipe.architecture, values, average);
      writePreprocessor(output, 'face_detector', side, 'ViTImageProcessor');
    },
  };
}
