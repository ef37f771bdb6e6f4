/** The dynamic, regional weight lambda_img of the image semantics loss, per image and per pixel. */

/** A box in pixels: left and top inside, right and bottom outside; fractions are allowed. */
export interface Box {
  /** Left edge, x. */
  readonly left: number;
  /** Upper edge, y. */
  readonly top: number;
  /** Right edge, x. */
  readonly right: number;
  /** Lower edge, y. */
  readonly bottom: number;
}

/** One attribute of one image, as the weight sees it. */
export interface AttributeState {
  /** Target class y_i, or null where the image has none. */
  readonly target: number | null;
  /** Whether the target's confidence reaches the threshold C; a target that isn't confident counts as none. */
  readonly confident: boolean;
  /** Predicted class of the frozen model's image from the same noise, or null where it shows no face. */
  readonly originalClass: number | null;
  /** lambda_2 / lambda_1 of the attribute (gender .2, race .6). */
  readonly ratio2: number;
  /** lambda_3 / lambda_2 of the attribute (gender .2, race .3). */
  readonly ratio3: number;
}

/** One image, as the weight sees it. */
export interface RegionWeightInput {
  /** The largest face of the generated image, or null where it shows none. */
  readonly face: Box | null;
  /** The largest face of the frozen model's image, or null where it shows none. */
  readonly originalFace: Box | null;
  /** Attributes that the run aligns. */
  readonly attributes: readonly AttributeState[];
  /** Full weight lambda_1, at least 0. */
  readonly lambda1: number;
  /** What an attribute without a confident target counts as: disagreeing with the original, or agreeing. */
  readonly noTarget: 'asDisagree' | 'asAgree';
}

/** Weights of the image semantics loss for one image. */
export interface RegionWeights {
  /** Weight outside the face region. */
  readonly outside: number;
  /** Weight inside the face region; equal to `outside` where there is no region. */
  readonly face: number;
  /** Intersection of the generated and the original face, or null where there is none. */
  readonly region: Box | null;
}

/** The common part of two boxes, or null where they don't meet. */
export function intersectBoxes(a: Box, b: Box): Box | null {
  const left = Math.max(a.left, b.left);
  const top = Math.max(a.top, b.top);
  const right = Math.min(a.right, b.right);
  const bottom = Math.min(a.bottom, b.bottom);
  return left < right && top < bottom ? { left, top, right, bottom } : null;
}

/**
 * Weights of L_img for one image (section 3 of the method): lambda_1 everywhere where the target agrees with the
 * original's class or the image shows no face; else lambda_2 outside the face and lambda_3 on it. Of several attributes
 * the smallest weight counts, separately outside and on the face. An original without a face agrees with no target.
 * @throws where a weight or ratio is negative or not finite
 */
export function regionWeights(input: RegionWeightInput): RegionWeights {
  const { face, originalFace, attributes, lambda1, noTarget } = input;
  requireWeight('lambda1', lambda1);
  for (const { ratio2, ratio3 } of attributes) {
    requireWeight('ratio2', ratio2);
    requireWeight('ratio3', ratio3);
  }
  if (face === null) return { outside: lambda1, face: lambda1, region: null };

  const weights = attributes.map((attribute) => {
    const hasTarget = attribute.target !== null && attribute.confident;
    const agrees = hasTarget ? attribute.target === attribute.originalClass : noTarget === 'asAgree';
    if (agrees) return { outside: lambda1, face: lambda1 };
    const lambda2 = attribute.ratio2 * lambda1;
    return { outside: lambda2, face: attribute.ratio3 * lambda2 };
  });
  const outside = Math.min(lambda1, ...weights.map((weight) => weight.outside));
  const onFace = Math.min(lambda1, ...weights.map((weight) => weight.face));
  const region = originalFace === null ? null : intersectBoxes(face, originalFace);
  return { outside, face: region === null ? outside : onFace, region };
}

function requireWeight(name: string, value: number): void {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new Error(`Region weights: expected ${name} to be a number from 0, received ${value}`);
  }
}

/**
 * Weight of every pixel, [height, width] row-major, by which the pixel gradient of L_img is multiplied. A pixel lies on
 * the face where its centre lies in the region.
 * @param width pixels of the image that the boxes refer to
 * @param height pixels of the same image
 */
export function weightMap(weights: RegionWeights, width: number, height: number): Float32Array {
  const map = new Float32Array(width * height).fill(weights.outside);
  if (weights.region === null) return map;
  const { left, top, right, bottom } = weights.region;
  const firstX = Math.max(0, Math.ceil(left - 0.5));
  const lastX = Math.min(width, Math.ceil(right - 0.5));
  const firstY = Math.max(0, Math.ceil(top - 0.5));
  const lastY = Math.min(height, Math.ceil(bottom - 0.5));
  for (let y = firstY; y < lastY; y++) {
    if (firstX < lastX) map.fill(weights.face, y * width + firstX, y * width + lastX);
  }
  return map;
}
