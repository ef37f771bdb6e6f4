/** The server's task `judge`: who is in images that a browser drew. */

import path from 'node:path';
import sharp from 'sharp';
import type { RgbImage } from '../../diffusion/image.ts';
import { writePlanes } from '../../diffusion/image.ts';
import { judgedClasses } from '../../evaluate/judgement.ts';
import type { LiveMeasurement } from '../../evaluate/live_measurement.ts';
import { liveTally } from '../../evaluate/live_measurement.ts';
import type { AttributeClassifier, FaceDetector } from '../../faces/index.ts';
import { imageBatch, loadAttributeClassifier, loadFaceDetector } from '../../faces/index.ts';
import { observe } from '../../fairness/index.ts';
import type { Runtime } from '../../graph/index.ts';
import type { JudgeInput } from '../../server/jobs/tasks.ts';
import { JUDGES } from '../measuring.ts';

interface Judges {
  readonly detector: FaceDetector;
  readonly classifier: AttributeClassifier;
}

/** Makes the task; judges stay opened from one call to the next. */
export function createJudging(
  openRuntime: () => Promise<Runtime>,
): (input: JudgeInput) => Promise<LiveMeasurement> {
  const opened = new Map<string, Judges>();
  const judgesIn = async (folder: string): Promise<Judges> => {
    const runtime = await openRuntime();
    const judges = opened.get(folder) ?? {
      detector: loadFaceDetector(runtime, path.join(folder, JUDGES.detector)),
      classifier: loadAttributeClassifier(runtime, path.join(folder, JUDGES.classifier)),
    };
    opened.set(folder, judges);
    return judges;
  };
  return async function judge({ modelFolder, images }) {
    const pictures = await Promise.all(images.map(decode));
    const { width, height } = pictures[0]!;
    const other = pictures.findIndex((picture) => picture.width !== width || picture.height !== height);
    if (other >= 0) {
      const { width: w, height: h } = pictures[other]!;
      throw new Error(
        `images[${other}]: expected ${width} x ${height} pixels as the first, received ${w} x ${h}`,
      );
    }
    const data = new Float32Array(pictures.length * 3 * width * height);
    pictures.forEach(({ pixels }, i) => {
      writePlanes(data, i, pixels);
    });
    const { detector, classifier } = await judgesIn(modelFolder);
    const batch = imageBatch(data, pictures.length, height, width);
    const judged = judgedClasses(await observe(batch, detector, classifier));
    const { attributes } = classifier;
    const subject = { label: 'model', group: null, all: pictures.length, attributes };
    // Nothing is aimed at: every attribute is only watched.
    const tally = liveTally({ ...subject, target: { attributes: [], shares: [1] } });
    return tally.add({ ...judged, seeds: pictures.map((_, i) => i) });
  };
}

async function decode(base64: string, position: number): Promise<RgbImage> {
  try {
    const image = sharp(Buffer.from(base64, 'base64')).flatten({ background: '#ffffff' });
    const { data, info } = await image.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, pixels: data };
  } catch (error) {
    throw new Error(`images[${position}]: ${(error as Error).message}`, { cause: error });
  }
}
