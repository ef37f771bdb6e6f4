/** Fairness: target distributions, optimal transport targets, the losses, and how images are judged by them. */

export type { AlignmentLoss, AlignmentLossInput } from './alignment_loss.ts';
export { alignmentLoss, confidenceMask } from './alignment_loss.ts';
export type {
  AttributeTargets,
  ExpectationMethod,
  ExpectedTargets,
  ExpectedTargetsInput,
  TargetSet,
} from './expected_targets.ts';
export { DEFAULT_DRAWS, expectedTargets, MAXIMUM_EXACT_COUNT_VECTORS } from './expected_targets.ts';
export type { ImageEncoder, ImageEncodings } from './image_encoder.ts';
export { createImageEncodings, loadClipImageEncoder, loadDinoImageEncoder } from './image_encoder.ts';
export type { EvaluatedLoss, ImageLoss, ImageLossInput, ImageLossOptions, LossModels } from './image_loss.ts';
export { createImageLoss } from './image_loss.ts';
export type { JudgeFolders, LocatedJudges } from './judges.ts';
export { loadJudges, locateJudges } from './judges.ts';
export type { OriginalImages } from './loss_feeds.ts';
export type { JudgeModels } from './loss_graph.ts';
export type { DifferentiatedLoss, ImageLosses, LossParts } from './loss_summary.ts';
export type { Observation } from './observation.ts';
export { joinObservations, largestClass, observe } from './observation.ts';
export type { PromptGroup, PromptTargets } from './prompt_targets.ts';
export { sameTarget, targetsByGroup } from './prompt_targets.ts';
export type { AttributeState, RegionWeightInput, RegionWeights } from './region_weights.ts';
export { intersectBoxes, regionWeights, weightMap } from './region_weights.ts';
export type {
  AttributeRatios,
  ImageAssignment,
  ImageTarget,
  LossWeights,
  TargetAssignment,
} from './target_assignment.ts';
export { assignTargets, sliceAssignment } from './target_assignment.ts';
export type { AttributeShares, ShareText, TargetDescription } from './target_description.ts';
export {
  describedAttributes,
  describedTarget,
  parseTargetLine,
  targetInWords,
} from './target_description.ts';
export type { Attribute, SharesByClass, TargetDistribution } from './target_distribution.ts';
export {
  cellOfClasses,
  classesOfCell,
  conditionalTarget,
  createTarget,
  indexOfClass,
  marginalTarget,
  nameOfCell,
  numberOfCells,
  productTarget,
  targetFromShares,
  uniformTarget,
  wantsOneClass,
} from './target_distribution.ts';
