/** Builds `models/portraits/face_bank.safetensors`: the real faces that fine-tuning keeps generated faces close to. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Runtime } from '../src/graph/index.ts';
import { renderDataset } from '../src/portraits/dataset.ts';
import { buildFaceBank } from '../src/portraits/training/face_bank.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '3' },
    scenes: { type: 'string', default: '8000' },
    'per-group': { type: 'string', default: '128' },
    models: { type: 'string', default: fileURLToPath(new URL('../models/portraits', import.meta.url)) },
  },
});
const data = await renderDataset({
  seed: Number(values.seed),
  count: Number(values.scenes),
  captions: { guidanceCalibration: 0 },
});
const runtime = new Runtime();
const count = await buildFaceBank(runtime, data, values.models, Number(values['per-group']));
await runtime.close();
console.log(`${count} faces in the bank`);
