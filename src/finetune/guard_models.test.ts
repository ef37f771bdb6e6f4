/** Which models of a model folder watch over a run that does not name them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { finetuneConfigSchema } from './config.ts';
import { guardFolders } from './guard_models.ts';

const root = mkdtempSync(path.join(tmpdir(), 'guards-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A model folder with companions, empty ones, and banks. */
function folderOf(name: string, companions: readonly string[], banks: readonly string[]): string {
  for (const each of companions) mkdirSync(path.join(root, name, each), { recursive: true });
  for (const each of banks) writeFileSync(path.join(root, name, each), '');
  return path.join(root, name);
}

const FIRST = { companions: ['clip', 'dino', 'face_embedder'], banks: ['face_bank.safetensors'] };
const first = folderOf('first', FIRST.companions, FIRST.banks);
const both = folderOf(
  'both',
  [...FIRST.companions, 'clip_evaluation', 'dino_evaluation', 'face_embedder_evaluation'],
  [...FIRST.banks, 'face_bank_evaluation.safetensors'],
);

function foldersOf(fields: object, model: string) {
  const base = { output: 'unused', target: { gender: 'uniform' }, prompts: { train: ['a nurse'] } };
  return guardFolders(finetuneConfigSchema.parse({ ...base, ...fields }), model);
}

/** Names of the chosen models within a folder. */
function chosen(fields: object, model: string): (string | null)[] {
  const { clip, dino, embedder, bank } = foldersOf(fields, model)!;
  return [clip, dino, embedder, bank].map((file) => file && path.relative(model, file));
}

const FACES = ['face_embedder', 'face_bank.safetensors'];
const SECOND_FACES = ['face_embedder_evaluation', 'face_bank_evaluation.safetensors'];
const NONE = [null, null];

describe('a guard of a folder with one model of each kind', () => {
  it.each<[string, object, object, (string | null)[]]>([
    [
      'all of them, where none is in the loss',
      { loss: { imageWeight: 0, faceWeight: 0 } },
      {},
      ['clip', 'dino', ...FACES],
    ],
    ['the encoder that is left out of the loss', { judges: { dino: null } }, {}, [null, 'dino', ...NONE]],
    ['the embedder that the loss does without', { faces: { embedder: null } }, {}, [null, null, ...FACES]],
    [
      'the own embedder, where the loss takes a card',
      { faces: { embedder: 'faceres-embedding' }, judges: { bank: null } },
      {},
      [null, null, ...FACES],
    ],
    ['second ones by name', {}, { clip: 'second', dino: 'third' }, ['second', 'third', ...NONE]],
    ['none that is kept out', { loss: { imageWeight: 0 } }, { clip: null }, [null, 'dino', ...NONE]],
    [
      'no embedder that is kept out',
      { loss: { imageWeight: 0, faceWeight: 0 } },
      { embedder: null },
      ['clip', 'dino', ...NONE],
    ],
  ])('takes %s', (_, fields, guard, expected) => {
    expect(chosen({ ...fields, guard }, first)).toEqual(expected);
  });

  it('knows the embedder of the loss as a card too, and needs at least one model', () => {
    const faces = { embedder: 'faceres-embedding' };
    const guard = { embedder: 'faceres-embedding', bank: 'other.safetensors' };
    expect(() => foldersOf({ faces, guard }, first)).toThrow(
      /guard\.embedder: expected a model that is not in the loss, received faceres-embedding/,
    );
    const { embedder, bank } = foldersOf({ faces: { embedder: null }, guard }, first)!;
    expect([path.basename(embedder!), bank]).toEqual([
      'faceres-embedding.yaml',
      path.join(first, 'other.safetensors'),
    ]);
    expect(() => foldersOf({ guard: {} }, first)).toThrow(
      /guard: expected a model that is not in the loss, found none/,
    );
    expect(foldersOf({}, first)).toBeNull();
  });
});

describe('a guard of a folder with second models', () => {
  it.each<[string, object, object, (string | null)[]]>([
    ['them', {}, {}, ['clip_evaluation', 'dino_evaluation', ...SECOND_FACES]],
    [
      'them also where the loss does without the first ones',
      { judges: { clip: null }, loss: { faceWeight: 0 } },
      {},
      ['clip_evaluation', 'dino_evaluation', ...SECOND_FACES],
    ],
    [
      'the first ones where the loss has the second',
      {
        judges: {
          ...{ dino: 'dino_evaluation', embedder: 'face_embedder_evaluation' },
          bank: 'face_bank_evaluation.safetensors',
        },
      },
      {},
      ['clip_evaluation', 'dino', ...FACES],
    ],
    ['none that is kept out', {}, { clip: null }, [null, 'dino_evaluation', ...SECOND_FACES]],
    ['no embedder that is kept out', {}, { embedder: null }, ['clip_evaluation', 'dino_evaluation', ...NONE]],
  ])('takes %s', (_, fields, guard, expected) => {
    expect(chosen({ ...fields, guard }, both)).toEqual(expected);
  });

  it('takes the first embedder where the second one has no bank', () => {
    const half = folderOf(
      'half',
      [...FIRST.companions, 'face_embedder_evaluation'],
      ['face_bank.safetensors'],
    );
    expect(chosen({ loss: { faceWeight: 0 }, guard: {} }, half).slice(2)).toEqual(FACES);
    expect(() => chosen({ guard: {} }, half)).toThrow(/found none/);
  });

  it('refuses those that the loss uses', () => {
    expect(() =>
      foldersOf({ judges: { clip: 'clip_evaluation' }, guard: { clip: 'clip_evaluation' } }, both),
    ).toThrow(/guard\.clip: expected a model that is not in the loss, received clip_evaluation/);
    const [embedder, bank] = SECOND_FACES as [string, string];
    expect(() => foldersOf({ judges: { embedder, bank }, guard: { embedder, bank } }, both)).toThrow(
      /guard\.embedder: expected a model that is not in the loss, received face_embedder_evaluation/,
    );
  });
});
