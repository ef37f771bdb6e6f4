/** Faces in images: detection, choice, differentiable crop and alignment, attributes, embeddings, and the bank. */

export type { AlignmentGather, Similarity } from './alignment.ts';
export { alignFaces, alignmentGather, alignmentOf, FACE_TEMPLATE, fitSimilarity } from './alignment.ts';
export type {
  AttributeClassifier,
  AttributeClassifierOptions,
  AttributeHead,
  AttributeModel,
  AttributeScores,
  FaceCropOptions,
} from './attributes.ts';
export { createAttributeClassifier, loadAttributeClassifier, loadAttributeModel } from './attributes.ts';
export type {
  BankAttribute,
  BankCollector,
  BankSources,
  FaceBank,
  FaceBankContent,
  NearestFaces,
} from './bank.ts';
export { collectForBank, embedForBank, nearestFaces, openFaceBank, writeFaceBank } from './bank.ts';
export type { Box, Face, FaceSelection } from './box.ts';
export { boxArea, clipBox, selectFace } from './box.ts';
export type { CardOf, FaceModelCard, OpenedCard } from './cards/card.ts';
export { isCard, parseCard, readCard } from './cards/card.ts';
export {
  filesOfCard,
  filesOfFaceModel,
  locateFaceModel,
  modelFileOf,
  packageOf,
  shippedCards,
} from './cards/locate.ts';
export type { CropMatrices, CropOptions, CropWindow } from './crop.ts';
export {
  axisCropMatrix,
  cropImages,
  cropMatrices,
  FACE_CROP_MARGIN,
  faceWindow,
  paddedWindow,
} from './crop.ts';
export type { DetectionOptions, DetectorNetwork, FaceDetector } from './detection.ts';
export { createFaceDetector, DEFAULT_BATCH_SIZE, loadFaceDetector } from './detection.ts';
export type { FaceEmbedder, FaceEmbeddings } from './embedding.ts';
export { createFaceEmbeddings, loadFaceEmbedder } from './embedding.ts';
export type { BatchedGraph, ImageBatch, ImageSize } from './image_batch.ts';
export { compileBatched, graphsBySize, imageBatch, selectImages } from './image_batch.ts';
export { joinAttributeModels } from './joined.ts';
export type { Preprocessing } from './preprocessing.ts';
export { loadPreprocessing, PLAIN_PREPROCESSING, parsePreprocessing, preprocess } from './preprocessing.ts';
export type { RealFaces } from './realism.ts';
export { faceRealism } from './realism.ts';
