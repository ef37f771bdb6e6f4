/** How well the face detector of Portraits finds faces: recall, precision, landmark error and false alarms. */

import type { Face } from '../../faces/box.ts';
import type { FaceDetector } from '../../faces/detection.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import { intersectionOverUnion } from '../../models/face_decode.ts';
import type { Dataset } from '../dataset.ts';
import type { FaceTruth } from '../draw.ts';
import { imageBatch as planes } from '../training/vae.ts';

/** Figures of a set of pictures. */
export interface DetectionFigures {
  readonly pictures: number;
  readonly faces: number;
  readonly detections: number;
  /** Share of faces that a detection overlaps with an intersection over union of at least .5; NaN without faces. */
  readonly recall: number;
  /** Share of detections that overlap a face so; NaN without detections. */
  readonly precision: number;
  /** Mean intersection over union of faces and their detections. */
  readonly overlap: number;
  /** Mean distance between true and found landmarks, in pixels of the picture. */
  readonly landmarkError: number;
  /** Share of pictures with a detection that overlaps no face. */
  readonly falseAlarms: number;
}

/** Smallest intersection over union of a face and its detection. */
const MATCH = 0.5;
const CHUNK = 256;

/** Detections and what they should have been, picture by picture. */
interface Pair {
  readonly truth: readonly FaceTruth[];
  readonly found: readonly Face[];
}

/** Counts matches, best detections first; each face and each detection takes part in one match. */
export function detectionFigures(pairs: readonly Pair[]): DetectionFigures {
  let [faces, detections, matches, overlap, distance, alarms] = [0, 0, 0, 0, 0, 0];
  for (const { truth, found } of pairs) {
    faces += truth.length;
    detections += found.length;
    const open = new Set(truth);
    let unmatched = 0;
    for (const face of [...found].sort((a, b) => b.score - a.score)) {
      const candidates = [...open].map((each) => ({
        each,
        iou: intersectionOverUnion(each.box, face.box),
      }));
      const best = candidates.sort((a, b) => b.iou - a.iou)[0];
      if (best === undefined || best.iou < MATCH) {
        unmatched += 1;
        continue;
      }
      open.delete(best.each);
      matches += 1;
      overlap += best.iou;
      const errors = best.each.landmarks.map(([x, y], i) =>
        Math.hypot(x - face.landmarks[i]![0], y - face.landmarks[i]![1]),
      );
      distance += errors.reduce((sum, error) => sum + error, 0) / errors.length;
    }
    if (unmatched > 0) alarms += 1;
  }
  return {
    pictures: pairs.length,
    faces,
    detections,
    recall: matches / faces,
    precision: matches / detections,
    overlap: overlap / matches,
    landmarkError: distance / matches,
    falseAlarms: alarms / pairs.length,
  };
}

/** Looks for the faces of all pictures of a data set; figures by number of people (`0`, `1`, `2`, `3`) and for `all`. */
export async function measureDetector(
  detector: FaceDetector,
  data: Dataset,
): Promise<Readonly<Record<string, DetectionFigures>>> {
  const groups = new Map<string, Pair[]>([['all', []]]);
  for (let start = 0; start < data.count; start += CHUNK) {
    const indices = Array.from({ length: Math.min(CHUNK, data.count - start) }, (_, i) => start + i);
    const images = imageBatch(planes(data, indices), indices.length, data.size, data.size);
    const found = await detector.detect(images);
    indices.forEach((index, i) => {
      const pair = { truth: data.record(index).faces, found: found[i]! };
      const key = String(pair.truth.length);
      groups.set(key, [...(groups.get(key) ?? []), pair]);
      groups.get('all')!.push(pair);
    });
  }
  return Object.fromEntries([...groups].sort().map(([key, pairs]) => [key, detectionFigures(pairs)]));
}
