import { appendFileSync, copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { writeCompanion } from '../faces/testing/companions.ts';
import { finetuneConfigSchema } from './config.ts';
import { weightsOfRun } from './run_weights.ts';

const JUDGES = ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino'] as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'evenhand-run-weights-'));
  writeTinyModel(folder);
  for (const name of JUDGES) writeCompanion(folder, name);
  writeFileSync(path.join(folder, 'face_bank.safetensors'), 'a bank');
});
afterEach(() => rmSync(folder, { recursive: true }));

function weightsWith(fields: object = {}) {
  const config = finetuneConfigSchema.parse({
    target: { gender: 'uniform' },
    output: 'run',
    train: { part: 'text-encoder' },
    ...fields,
  });
  return weightsOfRun(config, folder);
}

/** Roles whose fingerprints differ. */
function changed(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys({ ...before, ...after }).filter((role) => before[role] !== after[role]);
}

test('every model of a run has its own fingerprint, which changes with its weights or configuration alone', () => {
  const before = weightsWith();
  expect(Object.keys(before)).toEqual([
    ...['unet', 'vae', 'text_encoder', 'tokenizer', 'scheduler'],
    ...['detector', 'classifier', 'embedder', 'bank', 'clip', 'dino'],
  ]);
  expect(weightsWith()).toEqual(before);
  for (const [file, role] of [
    ['unet/config.json', 'unet'],
    ['vae/diffusion_pytorch_model.safetensors', 'vae'],
    ['classifier/model.safetensors', 'classifier'],
    ['face_bank.safetensors', 'bank'],
  ] as const) {
    const earlier = weightsWith();
    appendFileSync(path.join(folder, file), ' ');
    expect(changed(earlier, weightsWith()), file).toEqual([role]);
  }
});

test('judges that take no part do not count, others wherever they lie; objectives count by their files', () => {
  const before = weightsWith();
  expect(changed(before, weightsWith({ judges: { clip: null, embedder: null } }))).toEqual([
    ...['embedder', 'bank', 'clip'],
  ]);
  cpSync(path.join(folder, 'classifier'), path.join(folder, 'other'), { recursive: true });
  expect(weightsWith({ judges: { classifier: 'other' } })).toEqual(before);
  const score = path.join(folder, 'score.mjs');
  copyFileSync(new URL('../../configs/brightness.mjs', import.meta.url), score);
  const objectives = [{ file: score, weight: 1, direction: 'maximise' }];
  const scored = weightsWith({ objectives });
  expect(changed(before, scored)).toEqual([score]);
  appendFileSync(score, '\n// changed');
  expect(changed(scored, weightsWith({ objectives }))).toEqual([score]);
});
