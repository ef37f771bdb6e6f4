/** The guard that a run on Portraits has by default: what it is made of, and what it warns of. */

import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadFaceDetector } from '../../faces/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../../fairness/index.ts';
import { finetuneConfigSchema } from '../../finetune/config.ts';
import { guardFolders, openGuard } from '../../finetune/guard_models.ts';
import { Runtime } from '../../graph/index.ts';
import { imageBatch } from '../training/vae.ts';
import { softFaults } from './changes.ts';
import { drawnScenes } from './drawn_scenes.ts';
import { measureSemantics } from './semantics.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const COUNT = 64;
const scenes = drawnScenes(9002, 2 * COUNT, { guidanceCalibration: 0, weights: { nobody: 0 } });
const SIZE = { height: scenes.size, width: scenes.size };
const planes = (first: number) =>
  imageBatch(
    scenes,
    Array.from({ length: COUNT }, (_, i) => first + i),
  );

const config = finetuneConfigSchema.parse({
  output: 'unused',
  target: { gender: 'uniform' },
  prompts: { train: ['a nurse'] },
  guard: {},
});

describe('the guard of Portraits', () => {
  it('is made of the second CLIP, DINO and face embedder, which are in no loss', () => {
    expect(guardFolders(config, models)).toEqual({
      clip: `${models}/clip_evaluation`,
      dino: `${models}/dino_evaluation`,
      embedder: `${models}/face_embedder_evaluation`,
      bank: `${models}/face_bank_evaluation.safetensors`,
    });
  });

  it('lets small faults pass, and warns where images show something else', { timeout: 60_000 }, async () => {
    const detector = loadFaceDetector(runtime, `${models}/face_detector`);
    const guard = openGuard(runtime, config, models, detector)!;
    const originals = planes(0);
    const measured = async (images: Float32Array) => {
      const measuring = guard.begin();
      await measuring.add({ images, originals, count: COUNT, ...SIZE, prompt: '', iteration: -1 });
      return measuring.finish();
    };
    const faulty = await measured(await softFaults(scenes.size, 0.5, 0.1)(originals, COUNT));
    const strangers = planes(COUNT);
    const others = await measured(strangers);
    // Two faces in one.
    const doubled = await measured(originals.map((value, i) => (value + strangers[i]!) / 2));
    expect(guard.warnings(faulty)).toEqual([]);
    expect(guard.warnings(others)).toEqual([
      expect.stringMatching(/^semantics clip fell by/),
      expect.stringMatching(/^semantics dino fell by/),
    ]);
    expect(guard.warnings(doubled)).toContainEqual(expect.stringMatching(/^realism fell by/));
    await guard.release();
    await detector.release();
  });
});

describe.each([
  { name: 'clip_evaluation', load: loadClipImageEncoder },
  { name: 'dino_evaluation', load: loadDinoImageEncoder },
])('similarity by $name', ({ name, load }) => {
  it('falls the further, the more of a scene is changed', { timeout: 60_000 }, async () => {
    const { similarity } = await measureSemantics(runtime, load(`${models}/${name}`), 9003, 48);
    expect(similarity.faults).toBeGreaterThan(0.95);
    expect(similarity.faults).toBeGreaterThan(similarity.gender);
    // Another gender alone is no reason for a warning.
    expect(similarity.gender).toBeGreaterThan(1 - config.guard!.semanticsDrop);
    expect(similarity.gender).toBeGreaterThan(similarity.person);
    expect(similarity.surroundings).toBeLessThan(similarity.clothing);
    expect(similarity.scene).toBeLessThan(similarity.surroundings);
    expect(similarity.scene).toBeLessThan(0.2);
  });
});
