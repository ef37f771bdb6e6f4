import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadFaceDetector } from '../../faces/detection.ts';
import { Runtime } from '../../graph/index.ts';
import type { FaceTruth } from '../draw.ts';
import { detectionFigures, measureDetector } from './detector.ts';
import { drawnScenes } from './drawn_scenes.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));
const attributes = { gender: 'female', race: 'asian', age: 'old' } as const;
const points = (x: number) => [0, 1, 2, 3, 4].map((i) => [x, 10 + i] as const);

function face(left: number): FaceTruth {
  return { box: [left, 10, left + 10, 20], landmarks: points(left), attributes };
}

function detection(left: number, score: number, shift = 0) {
  return { box: [left, 10, left + 10, 20] as const, score, landmarks: points(left + shift) };
}

describe('figures of detections', () => {
  it('match each face once, with the best detection', () => {
    const figures = detectionFigures([
      { truth: [face(10), face(40)], found: [detection(11, 0.6), detection(10, 0.9, 2), detection(60, 0.7)] },
      { truth: [], found: [] },
    ]);
    expect(figures).toEqual({
      pictures: 2,
      faces: 2,
      detections: 3,
      recall: 0.5,
      precision: 1 / 3,
      overlap: 1,
      landmarkError: 2,
      falseAlarms: 0.5,
    });
  });
});

describe('face_detector', () => {
  it('finds the faces of unseen scenes and none in empty ones', { timeout: 60_000 }, async () => {
    const runtime = new Runtime();
    const captions = { guidanceCalibration: 0, weights: { several: 0.25, nobody: 0.25 } };
    const detector = loadFaceDetector(runtime, `${models}/face_detector`, { batchSize: 25 });
    const figures = await measureDetector(detector, drawnScenes(9001, 200, captions));
    expect(figures['1']!.pictures).toBeGreaterThan(80);
    expect(figures['1']!.recall).toBeGreaterThanOrEqual(0.98);
    expect(figures['1']!.precision).toBeGreaterThan(0.95);
    expect(figures['1']!.landmarkError).toBeLessThan(1.5);
    expect(figures['2']!.recall).toBeGreaterThan(0.9);
    expect(figures['0']!.pictures).toBeGreaterThan(15);
    expect(figures['0']!.falseAlarms).toBeLessThan(0.1);
    await runtime.close();
  });
});
