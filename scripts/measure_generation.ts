/** Measures the base model of Portraits and draws its contact sheet; prints the figures as JSON. */

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { TextToImagePipeline } from '../src/diffusion/pipeline.ts';
import { contactSheet } from '../src/evaluate/figures.ts';
import { loadAttributeClassifier, loadFaceDetector } from '../src/faces/index.ts';
import { Runtime } from '../src/graph/index.ts';
import {
  measureObedience,
  measurePlantedBias,
  measureQuality,
} from '../src/portraits/measurements/generation.ts';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: fileURLToPath(new URL('../models/portraits', import.meta.url)) },
    guidance: { type: 'string' },
    steps: { type: 'string', default: '20' },
    /** Prompts of each of the four families, and images of each prompt. */
    prompts: { type: 'string', default: '50' },
    images: { type: 'string', default: '5' },
    /** Test occupations and images of each for the planted bias. */
    occupations: { type: 'string', default: '50' },
    each: { type: 'string', default: '16' },
    sheet: { type: 'string' },
    /** CPU threads; all cores when left out. */
    threads: { type: 'string' },
  },
});

const runtime = new Runtime(values.threads === undefined ? {} : { threads: Number(values.threads) });
const model = openTextToImageModel(values.models);
const setup = {
  pipeline: new TextToImagePipeline(runtime, model, { denoiser: 8, decoder: 8 }),
  detector: loadFaceDetector(runtime, path.join(values.models, 'face_detector')),
  classifier: loadAttributeClassifier(runtime, path.join(values.models, 'classifier_evaluation')),
  steps: Number(values.steps),
  guidanceScale: values.guidance === undefined ? model.defaultGuidanceScale : Number(values.guidance),
  negativePrompt: '',
};
const { figures, evaluation } = await measureQuality(setup, Number(values.prompts), Number(values.images));
if (values.sheet !== undefined) {
  const heads = evaluation.attributes;
  const stride = Math.max(1, Math.floor(evaluation.kept.length / 64));
  const tiles = evaluation.kept
    .filter((_, i) => i % stride === 0)
    .slice(0, 64)
    .map(({ image, attributes, seed }) => ({
      ...image,
      caption: `seed ${seed}`,
      bars: heads.map((head) => {
        const found = attributes[head.name];
        return found ? { class: head.classes.indexOf(found.name), confidence: found.probability } : null;
      }),
    }));
  const title = 'Portraits, all prompt families';
  writeFileSync(
    values.sheet,
    await contactSheet({ title, attributes: heads, tiles, columns: 8, tileSize: 96 }),
  );
}
const obedience = await measureObedience(setup, 8);
const planted = await measurePlantedBias(setup, Number(values.occupations), Number(values.each));
const { steps, guidanceScale } = setup;
process.stdout.write(
  `${JSON.stringify({ steps, guidanceScale, quality: figures, obedience, planted }, null, 2)}\n`,
);
await runtime.close();
