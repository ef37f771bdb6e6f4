/** Trains the face embedders of Portraits: two pictures of one person lie together, other persons apart. */

import path from 'node:path';
import { z } from 'zod';
import type { View } from '../../data/augmentation.ts';
import { randomColor, randomView, writeView } from '../../data/augmentation.ts';
import { degradeImage } from '../../data/degradation.ts';
import type { RgbImage } from '../../diffusion/image.ts';
import type { Generator } from '../../diffusion/noise.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import { alignmentOf } from '../../faces/alignment.ts';
import { input } from '../../graph/index.ts';
import { faceEmbedder, parseFaceEmbedderConfig } from '../../models/face_embedder.ts';
import { trainableParameters } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import type { InitializationRules } from '../../training/initialization.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { matchingLoss } from '../../training/recipes/contrastive.ts';
import { readJsonObject } from '../../weights/json_file.ts';
import { type CaptionOptions, sampleCaptionedScene } from '../captions.ts';
import type { Dataset } from '../dataset.ts';
import type { FaceTruth } from '../draw.ts';
import { rasterizeScene } from '../draw.ts';
import { randomStream } from '../random.ts';
import { freezeScene, GROUP_COUNT, type Person, type Scene } from '../scene.ts';
import { augmentationSchema } from './augmentation_fields.ts';
import { degradationSchema } from './classifier.ts';
import { writeComponent } from './export.ts';
import type { SingleFace } from './faces.ts';
import { facesByGroup, singleFaces } from './faces.ts';
import { writePreprocessor } from './preprocessor.ts';
import { takeTurns } from './turns.ts';

/** Configuration of the recipe. */
export const embedderRecipeSchema = z.strictObject({
  model: z.enum(['face_embedder', 'face_embedder_evaluation']),
  ...commonTrainingFields,
  /** Groups (gender, race and age) that the persons of one batch come from: few of them make the task hard. */
  groups: z.int().min(1).max(GROUP_COUNT),
  /** Standard deviation of the error put on landmarks, in pixels of the picture. */
  landmarkError: z.number().min(0),
  augmentation: augmentationSchema,
  degradation: degradationSchema,
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type EmbedderRecipe = Readonly<z.output<typeof embedderRecipeSchema>>;

/** A picture and the face in it. */
export interface FacePicture {
  readonly image: RgbImage;
  readonly face: FaceTruth;
}

/** Logarithm of the first factor of the similarities. */
const LOG_SCALE = 'log_scale';

/**
 * Another scene with the person of a scene with one person: the same face in the clothes, pose, expression and place of
 * somebody else.
 * @param seed settles the other scene
 */
export function samePersonElsewhere(scene: Scene, captions: CaptionOptions, seed: number): Scene {
  const draw = randomStream('same person elsewhere', seed);
  for (;;) {
    const { scene: other } = sampleCaptionedScene(draw.integer(0x7fffffff), 0, captions);
    const place = other.people[0];
    if (other.people.length !== 1 || place === undefined) continue;
    const { gender, race, age, variation } = scene.people[0]!;
    const person: Person = { ...place, gender, race, age, variation };
    return freezeScene({ ...other, people: [person] });
  }
}

/** The sequence of captioned scenes that a data set shows. */
export interface SceneSequence {
  readonly seed: number;
  readonly captions: CaptionOptions;
}

/** The sequence that a rendered folder was drawn from, as its manifest says. */
export function sequenceOf(data: Dataset): SceneSequence {
  const { seed, captions } = readJsonObject(path.join(data.directory, 'manifest.json'));
  return { seed: seed as number, captions: captions as CaptionOptions };
}

/**
 * Draws second pictures of the persons of single portraits, each once.
 * @param size side of the pictures in pixels
 * @returns a function of the scene's index in the sequence
 */
export function secondPictures(
  { seed, captions }: SceneSequence,
  size: number,
): (index: number) => FacePicture {
  const drawn = new Map<number, FacePicture>();
  return (index) => {
    let picture = drawn.get(index);
    if (picture === undefined) {
      const { scene } = sampleCaptionedScene(seed, index, captions);
      const { pixels, faces } = rasterizeScene(samePersonElsewhere(scene, captions, index), size);
      picture = { image: { width: size, height: size, pixels }, face: faces[0]! };
      drawn.set(index, picture);
    }
    return picture;
  };
}

/**
 * Where an aligned face of `side` pixels looks in its picture, with an error on the landmarks as detectors make them.
 * @param error standard deviation in pixels of the picture
 */
export function alignedView(face: FaceTruth, side: number, error: number, random: Generator): View {
  const landmarks = face.landmarks.map(
    ([x, y]) => [x + error * random.normal(), y + error * random.normal()] as const,
  );
  const { a, b, dx, dy } = alignmentOf(landmarks, side)!;
  const middle = side / 2;
  return {
    x: (a - b) * middle + dx,
    y: (a + b) * middle + dy,
    size: Math.hypot(a, b) * side,
    angle: Math.atan2(b, a),
    mirrored: false,
  };
}

/** The groups that fill the places of a step's batch: `count` neighbours, others at every step. */
function groupPattern(batchSize: number, count: number, offset: number): number[] {
  return Array.from({ length: batchSize }, (_, i) => (offset + (i % count)) % GROUP_COUNT);
}

/** A function from step to the persons of its batch; the groups of a batch move on by `groups` from step to step. */
function personSampler(
  { seed, batchSize, groups }: EmbedderRecipe,
  faces: readonly SingleFace[],
): (step: number) => SingleFace[] {
  if (GROUP_COUNT % groups !== 0 || batchSize % groups !== 0) {
    throw new Error(
      `face embedder: expected groups to divide ${GROUP_COUNT} and the batch size ${batchSize}, received ${groups}`,
    );
  }
  const pools = facesByGroup(faces);
  const cycle = GROUP_COUNT / groups;
  const samplers = Array.from({ length: cycle }, (_, i) =>
    takeTurns(seed, 'face embedder', pools, groupPattern(batchSize, groups, i * groups)),
  );
  return (step) => samplers[step % cycle]!(Math.floor(step / cycle));
}

/**
 * Prepares the training: for each person of the data set's single portraits a second picture is drawn.
 * @param output model folder into which `face_embedder/` or `face_embedder_evaluation/` is written
 */
export function prepareEmbedder(recipe: EmbedderRecipe, data: Dataset, output: string): PreparedTraining {
  const config = parseFaceEmbedderConfig(recipe.architecture);
  const { batchSize, seed, model, augmentation, degradation, landmarkError } = recipe;
  const side = config.image_size;
  const { parameters, values } = trainableParameters();
  const [first, second] = ['first', 'second'].map((name) =>
    faceEmbedder(config, parameters, input(name, [batchSize, 3, side, side])),
  );
  const loss = matchingLoss(first!, second!, parameters.tensor(LOG_SCALE, [1]));
  const sample = personSampler(recipe, singleFaces(data));
  const drawSecond = secondPictures(sequenceOf(data), data.size);
  const write = (batch: Float32Array, position: number, { image, face }: FacePicture, random: Generator) => {
    const view = randomView(alignedView(face, side, landmarkError, random), augmentation, random);
    writeView(batch, position, side, image, view, randomColor(augmentation, random));
    degradeImage(batch, position, side, degradation, random);
  };
  const task = {
    name: model,
    loss,
    metrics: {},
    parameters: values,
    batch(step: number) {
      const random = createGenerator({ seed, index: step, stream: 'face embedder views' });
      const [one, other] = [0, 1].map(() => new Float32Array(batchSize * 3 * side * side));
      sample(step).forEach(({ index, face }, position) => {
        const image = { width: data.size, height: data.size, pixels: data.pixels(index) };
        write(one!, position, { image, face }, random);
        write(other!, position, drawSecond(index), random);
      });
      return { first: one!, second: other! };
    },
  };
  const places = values
    .get('pool.weight')!
    .shape.slice(1)
    .reduce((product, size) => product * size, 1);
  const rules: InitializationRules = [
    [/^pool\.weight$/, { kind: 'constant', value: 1 / places }],
    [/^log_scale$/, { kind: 'constant', value: Math.log(10) }],
  ];
  return {
    task,
    initial: initializeParameters(values, seed, rules),
    exportModel({ average }) {
      const kept = new Map([...values].filter(([name]) => name !== LOG_SCALE));
      writeComponent(output, model, recipe.architecture, kept, average);
      writePreprocessor(output, model, side, 'ViTImageProcessor');
    },
  };
}
