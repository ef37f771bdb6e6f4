/** Recipe of attribute classifiers on photographs with labels: trained, measured, and written as a folder and as ONNX. */

import path from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { randomColor, randomView, writeView } from '../../data/augmentation.ts';
import type { LabelClasses, LabelledFace, LabelledFaces } from '../../data/labelled_faces.ts';
import {
  CELEBA_CLASSES,
  FAIRFACE_CLASSES,
  readCelebA,
  readFace,
  readFairFace,
} from '../../data/labelled_faces.ts';
import type { RgbImage } from '../../diffusion/image.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import type { AttributeFigures } from '../../faces/classifier_figures.ts';
import { attributeFigures } from '../../faces/classifier_figures.ts';
import { compileBatched } from '../../faces/image_batch.ts';
import type { Runtime, Value } from '../../graph/index.ts';
import { constant, encodeModel, input, softmax } from '../../graph/index.ts';
import type { ImageClassifierConfig } from '../../models/image_classifier.ts';
import { imageClassifier, parseImageClassifierConfig } from '../../models/image_classifier.ts';
import { parametersFrom, trainableParameters } from '../../models/parameters.ts';
import { writeFileAtomically, writeFully, writeTextAtomically } from '../../weights/atomic_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { writeSafetensors } from '../../weights/safetensors_writer.ts';
import { commonTrainingFields } from '../config.ts';
import { initializeParameters } from '../initialization.ts';
import type { PreparedTraining } from '../recipe.ts';
import { indexSampler } from '../recipe.ts';
import { classificationLoss, classificationTargets } from './classification.ts';

const { data: _drawn, ...trainingFields } = commonTrainingFields;

const classesSchema = z.record(
  z.string(),
  z.strictObject({
    column: z.string().optional(),
    classes: z.record(z.string(), z.array(z.string()).min(1)),
    others: z.enum(['refuse', 'leave out']).optional(),
  }),
);

/** Configuration of the recipe. */
export const faceClassifierRecipeSchema = z.strictObject({
  ...trainingFields,
  data: z.discriminatedUnion('layout', [
    z.strictObject({
      layout: z.literal('fairface'),
      /** Tables of labels; `images` is the folder of their files, the tables' own when left out. */
      train: z.string(),
      validation: z.string(),
      images: z.string().optional(),
    }),
    z.strictObject({
      layout: z.literal('celeba'),
      /** Folder of the lists; `images` is the folder of the photographs, `img_align_celeba` in it when left out. */
      folder: z.string(),
      images: z.string().optional(),
    }),
  ]),
  /** Which labels make which classes; those of the layout when left out. */
  classes: classesSchema.optional(),
  /** Side of the square in the middle of each photograph over its shorter side. */
  crop: z.number().positive().max(1).default(1),
  /** Share of the target probability that is spread over all classes. */
  smoothing: z.number().min(0).lt(1).default(0.05),
  augmentation: z
    .strictObject({
      shift: z.number().min(0).default(0.05),
      zoom: z.number().min(1).default(1.1),
      angle: z.number().min(0).default(0.15),
      mirror: z.number().min(0).max(1).default(0.5),
      color: z.number().min(0).default(0.15),
    })
    .prefault({}),
  /** The backbone, as in the config.json of a classifier; its heads follow from the classes. */
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type FaceClassifierRecipe = Readonly<z.output<typeof faceClassifierRecipeSchema>>;

/** Figures of a trained classifier on the photographs kept for validation. */
export interface FaceClassifierReport {
  readonly faces: number;
  readonly attributes: Readonly<Record<string, AttributeFigures>>;
}

/** The photographs of a recipe: those to train on, and those to measure with. */
function photographs({ data, classes }: FaceClassifierRecipe): {
  train: LabelledFaces;
  validation: LabelledFaces;
} {
  if (data.layout === 'fairface') {
    const own: LabelClasses = classes ?? FAIRFACE_CLASSES;
    const read = (table: string) => readFairFace(table, own, data.images ?? path.dirname(table));
    return { train: read(data.train), validation: read(data.validation) };
  }
  const own: LabelClasses = classes ?? CELEBA_CLASSES;
  const images = data.images ?? path.join(data.folder, 'img_align_celeba');
  return {
    train: readCelebA(data.folder, 'train', own, images),
    validation: readCelebA(data.folder, 'validation', own, images),
  };
}

/** The square in the middle of a photograph. */
function middleView({ width, height }: RgbImage, crop: number) {
  return { x: width / 2, y: height / 2, size: crop * Math.min(width, height), angle: 0, mirrored: false };
}

/**
 * Prepares the training. Its export writes into `output` the folder's files (config.json, model.safetensors), `model.onnx`
 * with its card `model.yaml`, and `report.json` with the {@link FaceClassifierReport}.
 * @throws Error naming the row, file or field that is wrong; every row of the tables is checked before the first step
 */
export function prepareFaceClassifier(
  recipe: FaceClassifierRecipe,
  output: string,
  runtime: Runtime,
): PreparedTraining {
  const { train, validation } = photographs(recipe);
  const { attributes } = train;
  const heads = Object.fromEntries(attributes.map(({ name, classes }) => [name, classes.length]));
  const written = {
    ...recipe.architecture,
    heads,
    classes: Object.fromEntries(attributes.map(({ name, classes }) => [name, classes])),
  };
  const config = parseImageClassifierConfig(written);
  const { batchSize, seed, smoothing, augmentation, crop } = recipe;
  const side = config.image_size;
  const { parameters, values } = trainableParameters();
  const { logits } = imageClassifier(config, parameters, input('image', [batchSize, 3, side, side]));
  const { loss, metrics } = classificationLoss(logits);
  const sample = indexSampler(seed, 'face classifier', train.faces.length, batchSize);
  const task = {
    name: 'classifier',
    loss,
    metrics,
    parameters: values,
    async batch(step: number) {
      const faces = sample(step).map((index) => train.faces[index]!);
      const random = createGenerator({ seed, index: step, stream: 'face classifier views' });
      const image = new Float32Array(batchSize * 3 * side * side);
      for (const [position, face] of faces.entries()) {
        const picture = await readFace(face);
        const view = randomView(middleView(picture, crop), augmentation, random);
        writeView(image, position, side, picture, view, randomColor(augmentation, random));
      }
      const labels = attributes.map(({ name }) => [name, faces.map((face) => face.labels[name]!)] as const);
      return { image, ...classificationTargets(Object.fromEntries(labels), heads, smoothing) };
    },
  };
  return {
    task,
    initial: initializeParameters(values, seed),
    async exportModel({ average }) {
      const shapes = new Map([...values].map(([name, { shape }]) => [name, shape]));
      const tensors = [...average].map(([name, data]) => {
        return [name, { dtype: 'F32' as const, shape: shapes.get(name)!, data }] as const;
      });
      makeFolder(output);
      writeTextAtomically(path.join(output, 'config.json'), `${JSON.stringify(written, null, 2)}\n`);
      writeSafetensors(path.join(output, 'model.safetensors'), new Map(tensors));
      writeOnnx(output, config, average, attributes);
      const report = await measureFaceClassifier(runtime, config, average, validation, { batchSize, crop });
      writeTextAtomically(path.join(output, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    },
  };
}

/** Logits of a trained classifier, its parameters as constants. */
function trainedLogits(
  config: ImageClassifierConfig,
  trained: ReadonlyMap<string, Float32Array>,
  image: Value,
): Readonly<Record<string, Value>> {
  const parameters = parametersFrom(
    (name, shape) => constant(trained.get(name)!, shape),
    (name) => trained.has(name),
  );
  return imageClassifier(config, parameters, image).logits;
}

function writeOnnx(
  output: string,
  config: ImageClassifierConfig,
  trained: ReadonlyMap<string, Float32Array>,
  attributes: LabelledFaces['attributes'],
): void {
  const side = config.image_size;
  const { bytes } = encodeModel(trainedLogits(config, trained, input('image', [1, 3, side, side])));
  writeFileAtomically(path.join(output, 'model.onnx'), (descriptor) => writeFully(descriptor, bytes));
  const outputs = attributes.map(({ name, classes }) => [
    name,
    { tensor: name, kind: 'logits', classes: [...classes] },
  ]);
  const card = {
    kind: 'classifier',
    name: path.basename(output),
    license: 'unknown: that of the photographs decides',
    source: 'trained with evenhand',
    model: 'model.onnx',
    input: { side, range: [-1, 1] },
    outputs: Object.fromEntries(outputs),
  };
  writeTextAtomically(path.join(output, 'model.yaml'), stringify(card));
}

/** Classifies photographs in batches and compares with their labels. */
export async function measureFaceClassifier(
  runtime: Runtime,
  config: ImageClassifierConfig,
  trained: ReadonlyMap<string, Float32Array>,
  { attributes, faces }: LabelledFaces,
  { batchSize, crop }: { readonly batchSize: number; readonly crop: number },
): Promise<FaceClassifierReport> {
  const side = config.image_size;
  const graph = await compileBatched(runtime, batchSize, (batch) => {
    const logits = trainedLogits(config, trained, input('image', [batch, 3, side, side]));
    return Object.fromEntries(Object.entries(logits).map(([name, value]) => [name, softmax(value)]));
  });
  const rows = attributes.map(({ classes }) => new Float32Array(faces.length * classes.length));
  for (let start = 0; start < faces.length; start += batchSize) {
    const part: readonly LabelledFace[] = faces.slice(start, start + batchSize);
    const image = new Float32Array(part.length * 3 * side * side);
    for (const [position, face] of part.entries()) {
      const picture = await readFace(face);
      writeView(image, position, side, picture, middleView(picture, crop));
    }
    const found = await graph.run(part.length, { image });
    attributes.forEach(({ name, classes }, i) => {
      rows[i]!.set(found[name] as Float32Array, start * classes.length);
    });
  }
  await graph.release();
  const figures = attributes.map(({ name, classes }, i) => {
    const labels = faces.map((face) => face.labels[name]!);
    return [name, attributeFigures(classes, rows[i]!, labels)] as const;
  });
  return { faces: faces.length, attributes: Object.fromEntries(figures) };
}
