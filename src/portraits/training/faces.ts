/** Faces of a data set as training examples: square crops like a detector's, and pools of equal groups. */

import type { View } from '../../data/augmentation.ts';
import type { Box } from '../../faces/box.ts';
import { faceWindow } from '../../faces/crop.ts';
import type { Dataset } from '../dataset.ts';
import type { FaceTruth } from '../draw.ts';
import { AGES, GENDERS, GROUP_COUNT, groupIndex, RACES } from '../scene.ts';

/** Class names by attribute, in class-index order. */
export const ATTRIBUTE_CLASSES = Object.freeze({ gender: GENDERS, race: RACES, age: AGES });

/** A face of a picture with one person. */
export interface SingleFace {
  /** Picture of the data set. */
  readonly index: number;
  readonly face: FaceTruth;
}

/** The faces of all pictures with exactly one person. */
export function singleFaces(data: Dataset): SingleFace[] {
  const faces: SingleFace[] = [];
  for (let index = 0; index < data.count; index++) {
    const { faces: found } = data.record(index);
    if (found.length === 1) faces.push({ index, face: found[0]! });
  }
  return faces;
}

/** Faces by group: gender, race and age together, in the order of `groupIndex`. */
export function facesByGroup(faces: readonly SingleFace[]): SingleFace[][] {
  const groups = Array.from({ length: GROUP_COUNT }, (): SingleFace[] => []);
  for (const face of faces) groups[groupIndex(face.face.attributes)]!.push(face);
  return groups;
}

/** Where the crop of a face lies: what {@link faceWindow} cuts out, as a view. */
export function faceView(box: Box): View {
  const { left, top, side } = faceWindow(box);
  return { x: left + side / 2, y: top + side / 2, size: side, angle: 0, mirrored: false };
}

/** Class indices of faces by attribute. */
export function faceLabels(faces: readonly Pick<SingleFace, 'face'>[]): Record<string, number[]> {
  return {
    gender: faces.map(({ face }) => GENDERS.indexOf(face.attributes.gender)),
    race: faces.map(({ face }) => RACES.indexOf(face.attributes.race)),
    age: faces.map(({ face }) => AGES.indexOf(face.attributes.age)),
  };
}
