/** From the outputs of the loss graph to the losses of a batch. */

import type { AttributeModel } from '../faces/attributes.ts';
import type { TensorData } from '../graph/index.ts';
import type { TargetAssignment } from './target_assignment.ts';

/** Losses of a batch. Sums run over the images given, divisors over the whole batch. */
export interface LossParts {
  /** L_align: the sum over attributes of (1/n) sum of the masked cross-entropies. */
  readonly align: number;
  /** The same by attribute. */
  readonly alignByAttribute: Readonly<Record<string, number>>;
  /** L_face: (1/n) sum of the distances of the faces, without lambda_face. */
  readonly face: number;
  /** L_img: (1/N) sum of the distances of all encoders, without weights. */
  readonly image: number;
  /** (1/N) sum of the distances, each times the mean of its image's pixel weights. */
  readonly weightedImage: number;
}

/** Losses image by image, before masks and weights; NaN where an image has no face. */
export interface ImageLosses {
  /** By attribute [N]; NaN where the target doesn't concern the attribute. */
  readonly crossEntropies: Readonly<Record<string, Float32Array>>;
  /** 1 - cosine to the real face that counts [N]; NaN also where a face can't be aligned. */
  readonly faceDistances: Float32Array;
  /** Nearest face of the bank [N]; -1 without. */
  readonly nearestFaces: Int32Array;
  /** By encoder [N]. */
  readonly distances: Readonly<Record<string, Float32Array>>;
}

/** What `differentiate` of the image loss finds. */
export interface DifferentiatedLoss {
  /** L_align + lambda_face L_face + weighted L_img. */
  readonly total: number;
  readonly parts: LossParts;
  readonly perImage: ImageLosses;
  /** d total / d images [N, 3, height, width], the image semantics part scaled pixel by pixel. */
  readonly gradient: Float32Array;
  /** Gradients of the parts with all weights but the pixels', where asked for: `align`, `face`, `image`. */
  readonly separate: Readonly<Record<string, Float32Array>>;
}

/** What {@link summarizeLoss} needs besides the graph's outputs. */
export interface SummaryContext {
  readonly model: AttributeModel;
  readonly assignment: TargetAssignment;
  readonly weights: Readonly<Record<string, Float32Array>>;
  readonly faceWeights: Float32Array | null;
  readonly lambdaFace: number;
  readonly encoders: readonly string[];
  readonly means: Float64Array;
}

/** Sums up the outputs of the loss graph, in float64, and marks with NaN what an image has no part in. */
export function summarizeLoss(
  outputs: Record<string, TensorData>,
  context: SummaryContext,
): DifferentiatedLoss {
  const { model, assignment, weights, faceWeights, lambdaFace, encoders, means } = context;
  const { images, count } = assignment;
  const tensor = (name: string) => outputs[name] as Float32Array;
  const dot = (a: Float32Array, b: ArrayLike<number>) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

  const alignByAttribute: Record<string, number> = {};
  const crossEntropies: Record<string, Float32Array> = {};
  for (const { name } of model.attributes) {
    const entropies = tensor(`crossEntropy.${name}`);
    alignByAttribute[name] = dot(entropies, weights[`align.${name}`]!);
    crossEntropies[name] = entropies.map((value, i) =>
      (images[i]!.targets[name]?.class ?? null) === null ? Number.NaN : value,
    );
  }
  const align = Object.values(alignByAttribute).reduce((sum, value) => sum + value, 0);

  const faceLoss = faceWeights === null ? 0 : dot(tensor('face.distance'), faceWeights);
  const counts = (i: number) => faceWeights !== null && faceWeights[i]! > 0;
  const faceDistances = Float32Array.from(images, (_, i) =>
    counts(i) ? tensor('face.distance')[i]! : Number.NaN,
  );
  const nearest = outputs['face.nearest'] as BigInt64Array | undefined;
  const nearestFaces = Int32Array.from(images, (_, i) => (nearest && counts(i) ? Number(nearest[i]) : -1));

  const distances = Object.fromEntries(encoders.map((name) => [name, tensor(`distance.${name}`)]));
  let [image, weightedImage] = [0, 0];
  images.forEach((_, i) => {
    const distance = encoders.reduce((sum, name) => sum + distances[name]![i]!, 0) / count;
    image += distance;
    weightedImage += means[i]! * distance;
  });

  const separate = Object.fromEntries(
    Object.keys(outputs).flatMap((name) =>
      name.startsWith('gradient.') ? [[name.slice('gradient.'.length), tensor(name)]] : [],
    ),
  );
  return {
    total: align + faceLoss + weightedImage,
    parts: {
      align,
      alignByAttribute,
      face: lambdaFace === 0 ? 0 : faceLoss / lambdaFace,
      image,
      weightedImage,
    },
    perImage: { crossEntropies, faceDistances, nearestFaces, distances },
    gradient: tensor('gradient'),
    separate,
  };
}
