/** Measures the companion models of Portraits on scenes that they have not seen, and prints the figures as JSON. */

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadAttributeClassifier } from '../src/faces/attributes.ts';
import { loadFaceDetector } from '../src/faces/detection.ts';
import { createFaceEmbeddings, loadFaceEmbedder } from '../src/faces/embedding.ts';
import type { RealFaces } from '../src/faces/index.ts';
import { openFaceBank } from '../src/faces/index.ts';
import type { ImageEncoder } from '../src/fairness/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../src/fairness/index.ts';
import { Runtime } from '../src/graph/index.ts';
import { renderDataset } from '../src/portraits/dataset.ts';
import { softFaults, throughAutoencoder } from '../src/portraits/measurements/changes.ts';
import { measureClassifier } from '../src/portraits/measurements/classifier.ts';
import { measureClip } from '../src/portraits/measurements/clip.ts';
import { measureDetector } from '../src/portraits/measurements/detector.ts';
import { measureDino } from '../src/portraits/measurements/dino.ts';
import { measureEmbedder } from '../src/portraits/measurements/embedder.ts';
import { type ChangedFaces, changedFaces, measureRealism } from '../src/portraits/measurements/realism.ts';
import { measureSemantics } from '../src/portraits/measurements/semantics.ts';
import { sequenceOf } from '../src/portraits/training/embedder.ts';

const NAMES = [
  ...(['classifier', 'classifier_evaluation', 'face_detector'] as const),
  ...(['face_embedder', 'face_embedder_evaluation'] as const),
  ...(['clip', 'clip_evaluation', 'dino', 'dino_evaluation'] as const),
];
const USAGE =
  'usage: tsx scripts/measure_portraits.ts [--seed N] [--scenes N] [--models FOLDER] [--threads N] ' +
  `${NAMES.join('|')} ...`;

/** Faults that classifiers are measured under: half the resolution, and noise. */
const FAULTS = { resolution: 0.5, noise: 0.1 };

/** Faces that classifiers are measured on through the autoencoder, which costs more than they do. */
const AUTOENCODED = 320;

/** Persons that embedders are to know again. */
const VERIFIED = 1000;

/** Scenes that are changed to measure how far similarity and realism fall. */
const CHANGED = 400;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '9' },
    scenes: { type: 'string', default: '2600' },
    threads: { type: 'string' },
    models: { type: 'string', default: fileURLToPath(new URL('../models/portraits', import.meta.url)) },
  },
});
const unknown = positionals.filter((name) => !NAMES.some((known) => known === name));
if (positionals.length === 0 || unknown.length > 0)
  throw new Error(`${USAGE}\nreceived ${positionals.join(' ')}`);

const data = await renderDataset({
  seed: Number(values.seed),
  count: Number(values.scenes),
  captions: { guidanceCalibration: 0 },
});
const runtime = new Runtime(values.threads === undefined ? {} : { threads: Number(values.threads) });
const folder = (name: string) => path.join(values.models, name);
const measurements: Readonly<Record<string, () => Promise<unknown>>> = {
  classifier: () => classifierFigures('classifier'),
  classifier_evaluation: () => classifierFigures('classifier_evaluation'),
  async face_detector() {
    const options = { batchSize: 32 };
    const once = loadFaceDetector(runtime, folder('face_detector'), { ...options, retryScales: [] });
    const retried = loadFaceDetector(runtime, folder('face_detector'), options);
    return { once: await measureDetector(once, data), retried: await measureDetector(retried, data) };
  },
  face_embedder: () => embedderFigures('face_embedder', 'face_bank'),
  face_embedder_evaluation: () => embedderFigures('face_embedder_evaluation', 'face_bank_evaluation'),
  clip: () => clipFigures('clip'),
  clip_evaluation: () => clipFigures('clip_evaluation'),
  dino: () => dinoFigures('dino'),
  dino_evaluation: () => dinoFigures('dino_evaluation'),
};

async function classifierFigures(name: string) {
  const classifier = loadAttributeClassifier(runtime, folder(name), { batchSize: 32 });
  return {
    clean: await measureClassifier(classifier, data),
    faulty: await measureClassifier(classifier, data, {
      change: softFaults(data.size, FAULTS.resolution, FAULTS.noise),
    }),
    throughAutoencoder: await measureClassifier(classifier, data, {
      limit: AUTOENCODED,
      change: await throughAutoencoder(runtime, values.models, data.size),
    }),
  };
}

function realFaces(embedder: string, bank: string): RealFaces {
  return {
    embedder: loadFaceEmbedder(folder(embedder)),
    bank: openFaceBank(folder(`${bank}.safetensors`)),
  };
}

async function embedderFigures(name: string, bank: string) {
  const judge = realFaces(name, bank);
  const embeddings = createFaceEmbeddings(runtime, judge.embedder, 32);
  return {
    ...(await measureEmbedder(embeddings, data, sequenceOf(data), VERIFIED)),
    realism: await measureRealism(runtime, judge, await changed()),
  };
}

/** Faces that embedders judge the realism of, made once. */
let facesOfRealism: Promise<ChangedFaces> | undefined;

function changed(): Promise<ChangedFaces> {
  facesOfRealism ??= (async () => {
    const autoencoder = await throughAutoencoder(runtime, values.models, data.size);
    return changedFaces(runtime, realFaces('face_embedder', 'face_bank'), autoencoder, data, CHANGED);
  })();
  return facesOfRealism;
}

async function clipFigures(name: string) {
  return {
    ...(await measureClip(runtime, folder(name), folder('tokenizer'), data)),
    semantics: await semanticsOf(loadClipImageEncoder(folder(name))),
  };
}

async function dinoFigures(name: string) {
  return {
    ...(await measureDino(runtime, folder(name), data)),
    semantics: await semanticsOf(loadDinoImageEncoder(folder(name))),
  };
}

function semanticsOf(encoder: ImageEncoder) {
  return measureSemantics(runtime, encoder, Number(values.seed), Math.min(CHANGED, data.count));
}

for (const name of positionals) {
  console.log(JSON.stringify({ model: name, ...((await measurements[name]!()) as object) }, null, 2));
}
await runtime.close();
