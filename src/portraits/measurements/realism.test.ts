/** The second face embedder against the first: whether it sees faults alike, and what was made to deceive the first. */

import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadFaceEmbedder, openFaceBank } from '../../faces/index.ts';
import { Runtime } from '../../graph/index.ts';
import { throughAutoencoder } from './changes.ts';
import { drawnScenes } from './drawn_scenes.ts';
import { changedFaces, measureRealism } from './realism.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const realFaces = (embedder: string, bank: string) => ({
  embedder: loadFaceEmbedder(`${models}/${embedder}`),
  bank: openFaceBank(`${models}/${bank}.safetensors`),
});
const first = realFaces('face_embedder', 'face_bank');
const second = realFaces('face_embedder_evaluation', 'face_bank_evaluation');

describe('realism', () => {
  it('falls with what is wrong, for both embedders alike', { timeout: 120_000 }, async () => {
    const data = drawnScenes(9004, 32, { guidanceCalibration: 0, weights: { several: 0, nobody: 0 } });
    const autoencoder = await throughAutoencoder(runtime, models, data.size);
    const faces = await changedFaces(runtime, first, autoencoder, data, 32);
    const own = await measureRealism(runtime, first, faces);
    const other = await measureRealism(runtime, second, faces);
    for (const realism of [own, other]) {
      expect(realism.none).toBeGreaterThan(0.93);
      expect(realism.faults).toBeGreaterThan(realism.none - 0.03);
      expect(realism.autoencoder).toBeGreaterThan(realism.none - 0.03);
      expect(realism.noise).toBeLessThan(realism.faults);
      expect(realism.blended).toBeLessThan(realism.noise);
    }
    // Pictures without a real face, moved along the gradient of the first embedder, look real to it alone.
    expect(own.deceiving).toBeGreaterThan(own.none);
    expect(other.deceiving).toBeLessThan(other.none - 0.08);
  });
});
