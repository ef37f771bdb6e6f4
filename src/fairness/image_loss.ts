/** The whole way from generated images to the losses of the method and their gradient with respect to the pixels. */

import type { FaceCropOptions } from '../faces/attributes.ts';
import { createAttributeClassifier } from '../faces/attributes.ts';
import { cropMatrices, FACE_CROP_MARGIN, faceWindow } from '../faces/crop.ts';
import type { FaceDetector } from '../faces/detection.ts';
import { DEFAULT_BATCH_SIZE } from '../faces/detection.ts';
import { createFaceEmbeddings } from '../faces/embedding.ts';
import type { ImageBatch } from '../faces/image_batch.ts';
import { compileBatched, graphsBySize } from '../faces/image_batch.ts';
import type { Runtime } from '../graph/index.ts';
import { createImageEncodings } from './image_encoder.ts';
import type { OriginalImages } from './loss_feeds.ts';
import { alignmentWeights, facesFeeds, pixelWeights } from './loss_feeds.ts';
import type { JudgeModels } from './loss_graph.ts';
import { imageLossGraph } from './loss_graph.ts';
import type { DifferentiatedLoss } from './loss_summary.ts';
import { summarizeLoss } from './loss_summary.ts';
import type { Observation } from './observation.ts';
import { observe } from './observation.ts';
import type { LossWeights, TargetAssignment } from './target_assignment.ts';
import { assignTargets } from './target_assignment.ts';
import type { TargetDistribution } from './target_distribution.ts';

/** The models that judge images, and the detector that finds their faces. */
export interface LossModels extends JudgeModels {
  readonly detector: FaceDetector;
}

/** Options of {@link createImageLoss}: the constants of the method, and how to compute. */
export interface ImageLossOptions extends LossWeights, FaceCropOptions {
  /** Images that run at once; 8 when left out. The results don't depend on it. */
  readonly batchSize?: number;
  /** Whether the gradients of the parts are returned too; false when left out. */
  readonly separateGradients?: boolean;
}

/** What {@link ImageLoss.evaluate} finds. */
export interface EvaluatedLoss extends DifferentiatedLoss {
  readonly observation: Observation;
  readonly originals: OriginalImages;
  readonly assignment: TargetAssignment;
}

/** What {@link ImageLoss.evaluate} reads. */
export interface ImageLossInput {
  /** Generated images of one prompt. */
  readonly images: ImageBatch;
  /** The frozen model's images from the same noise, prompt and step count; or what {@link ImageLoss.describe} found. */
  readonly originals: ImageBatch | OriginalImages;
  /** The distribution that this prompt is to follow, over attributes of the classifier. */
  readonly target: TargetDistribution;
  /** Addresses the random numbers of drawn targets, together with the seed; 0 when left out. */
  readonly iteration?: number;
}

/**
 * The loss. One process calls {@link ImageLoss.evaluate}; several share a batch by observing and describing their images,
 * joining what they saw ({@link joinObservations}), assigning targets once, and differentiating their slices.
 */
export interface ImageLoss {
  /** Faces and attributes of images. */
  observe(images: ImageBatch): Promise<Observation>;
  /** Faces, attributes and embeddings of the frozen model's images. */
  describe(originals: ImageBatch): Promise<OriginalImages>;
  /** Targets and weights of a whole batch ({@link assignTargets} with the loss's constants). */
  assign(
    observed: Observation,
    originals: Observation,
    target: TargetDistribution,
    iteration?: number,
  ): TargetAssignment;
  /**
   * Losses and gradient of images whose targets are known.
   * @throws Error when the arguments don't speak of equally many images
   */
  differentiate(
    images: ImageBatch,
    observed: Observation,
    originals: OriginalImages,
    assignment: TargetAssignment,
  ): Promise<DifferentiatedLoss>;
  /** All of it for one whole batch. */
  evaluate(input: ImageLossInput): Promise<EvaluatedLoss>;
  /** Gives the memory of its graphs back; the detector stays with its owner. */
  release(): Promise<void>;
}

/**
 * Prepares the losses: sections 2 and 3 of the method.
 * @param models judges; without `face` or with lambda_face 0 there is no L_face, without encoders no L_img
 * @throws Error when a weight is outside its range, or faces are to be drawn to the bank and there is none
 */
export function createImageLoss(runtime: Runtime, models: LossModels, options: ImageLossOptions): ImageLoss {
  const { detector, classifier: model, encoders } = models;
  const { threshold, lambdaFace, antialias = true } = options;
  const margin = options.margin ?? model.margin ?? FACE_CROP_MARGIN;
  const { batchSize = DEFAULT_BATCH_SIZE, separateGradients = false, faceTarget = 'nearest' } = options;
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new Error(`image loss: expected threshold in 0..1, received ${threshold}`);
  }
  if (!(lambdaFace >= 0 && Number.isFinite(lambdaFace))) {
    throw new Error(`image loss: expected lambdaFace to be a number from 0, received ${lambdaFace}`);
  }
  const face = lambdaFace > 0 ? models.face : null;
  if (face !== null && face.bank === null && faceTarget === 'nearest') {
    throw new Error("image loss: faceTarget 'nearest' needs a bank of real faces, received none");
  }
  if (face?.bank && face.bank.dimension !== face.embedder.dimension) {
    throw new Error(
      `image loss: expected a bank of embeddings of size ${face.embedder.dimension}, received ${face.bank.dimension} (${face.bank.path})`,
    );
  }
  const classifier = createAttributeClassifier(runtime, model, { margin, antialias, batchSize });
  const encodings = createImageEncodings(runtime, encoders, batchSize);
  const embeddings =
    face !== null && faceTarget === 'own' ? createFaceEmbeddings(runtime, face.embedder, batchSize) : null;
  const graphs = graphsBySize((size) =>
    compileBatched(runtime, batchSize, (batch) =>
      imageLossGraph({ classifier: model, face, encoders }, batch, size, separateGradients),
    ),
  );

  const loss: ImageLoss = {
    observe: (images) => observe(images, detector, classifier),
    async describe(originals) {
      const observed = await observe(originals, detector, classifier);
      const features = await encodings.encode(originals);
      const faces = observed.selections.map((selection) => selection.face);
      const own = embeddings === null ? null : await embeddings.embed(originals, faces);
      return { ...observed, features, own };
    },
    assign: (observed, originals, target, iteration) =>
      assignTargets(observed, originals, target, options, iteration),
    async differentiate(images, observed, originals, assignment) {
      const received = [observed.selections, originals.selections, assignment.images];
      if (received.some(({ length }) => length !== images.count)) {
        const counts = received.map(({ length }) => length).join(', ');
        throw new Error(`image loss: expected ${images.count} images in every argument, received ${counts}`);
      }
      const faces = observed.selections.map((selection) => selection.face);
      const windows = faces.map((each) => (each === null ? null : faceWindow(each.box, margin)));
      const crops = cropMatrices(windows, images, { side: model.side, antialias });
      const weights = alignmentWeights(model, assignment);
      const faceFeeds =
        face === null ? null : facesFeeds(face, images, observed, originals, assignment, lambdaFace);
      const maps = pixelWeights(assignment.images, images);
      const graph = await graphs.at(images);
      const outputs = await graph.run(images.count, {
        images: images.data,
        'crop.rows': crops.rows,
        'crop.columns': crops.columns,
        ...weights,
        ...faceFeeds,
        ...Object.fromEntries(
          encoders.map(({ name }) => [`original.${name}`, originals.features[name]!] as const),
        ),
        'image.weight': new Float32Array(images.count).fill(1 / assignment.count),
        'image.map': maps.map,
      });
      const context = { model, assignment, weights, faceWeights: faceFeeds?.['face.weight'] ?? null };
      return summarizeLoss(outputs, {
        ...context,
        lambdaFace,
        encoders: encoders.map(({ name }) => name),
        means: maps.means,
      });
    },
    async evaluate({ images, originals, target, iteration = 0 }) {
      const observation = await loss.observe(images);
      const described = 'selections' in originals ? originals : await loss.describe(originals);
      const assignment = loss.assign(observation, described, target, iteration);
      const differentiated = await loss.differentiate(images, observation, described, assignment);
      return { ...differentiated, observation, originals: described, assignment };
    },
    async release() {
      for (const each of [classifier, encodings, embeddings, graphs]) await each?.release();
    },
  };
  return loss;
}
