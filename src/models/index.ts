/** Models as pure functions from a configuration and parameters to graph values. */

export type { ClipTextConfig, ClipTextInputs, ClipTextOutputs } from './clip_text.ts';
export { clipText, clipTextEmbeddings, MASKED_SCORE, parseClipTextConfig, textEnds } from './clip_text.ts';
export type { ClipVisionConfig, ClipVisionOutputs } from './clip_vision.ts';
export { clipVision, parseClipVisionConfig } from './clip_vision.ts';
export type { DinoV2Config, DinoV2Outputs, PositionInterpolation } from './dinov2.ts';
export { dinov2, parseDinoV2Config } from './dinov2.ts';
export type { PartConfigs } from './expected_weights.ts';
export { assertComplete, expectedWeights } from './expected_weights.ts';
export type { DecodeOptions, DetectedFace, DetectorTensors } from './face_decode.ts';
export { decodeFaces, intersectionOverUnion, suppress } from './face_decode.ts';
export type { FaceDetectorConfig, FaceDetectorOutputs } from './face_detector.ts';
export { faceDetector, LANDMARKS, parseFaceDetectorConfig } from './face_detector.ts';
export type { FaceAnnotation, FaceDetectorLoss } from './face_detector_loss.ts';
export { faceDetectorLoss, faceTargetShapes, faceTargets } from './face_detector_loss.ts';
export type { CosFaceOptions, FaceEmbedderConfig } from './face_embedder.ts';
export { cosFaceLogits, faceEmbedder, parseFaceEmbedderConfig } from './face_embedder.ts';
export type { ImageClassifierConfig, ImageClassifierOutputs } from './image_classifier.ts';
export { imageClassifier, parseImageClassifierConfig } from './image_classifier.ts';
export type {
  LinearShape,
  LoraFactors,
  Parameters,
  TensorLookup,
  TrainableParameters,
} from './parameters.ts';
export { mergedWeight, parametersFrom, trainableParameters, withLora } from './parameters.ts';
export type { BlockObserver, UNetConfig } from './unet.ts';
export { parseUNetConfig, unet } from './unet.ts';
export type { LatentMoments, VaeConfig } from './vae.ts';
export { parseVaeConfig, vaeDecode, vaeDownscale, vaeEncode, vaeSample } from './vae.ts';
export { buildOnWeights, fileParameters, UNUSED_WEIGHTS } from './weights.ts';
