import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { licencesOf } from './licences.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'licences-'));
afterAll(() => rmSync(folder, { recursive: true }));
let models = 0;

/** A model folder with these files. */
function modelWith(files: Readonly<Record<string, string>>): string {
  const model = path.join(folder, `model-${models++}`);
  mkdirSync(model);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(model, name)), { recursive: true });
    writeFileSync(path.join(model, name), text);
  }
  return model;
}

const MIT = 'Permission is hereby granted, free of charge, to any person obtaining a copy';

describe('licences of a model', () => {
  it.each([
    ['front matter', { 'README.md': '---\nlicense: mit\n---\n# Card' }, 'mit', 'README.md'],
    [
      'front matter that names another',
      { 'README.md': '---\nlicense: other\nlicense_name: rail\nlicense_link: https://x.example/l\n---\n' },
      'rail',
      'https://x.example/l',
    ],
    [
      'a sentence of its card',
      { 'README.md': 'A model.\nLicence: Apache-2.0, as the rest.' },
      'Apache-2.0',
      'README.md',
    ],
    ['its index', { 'model_index.json': '{"license": "openrail++"}' }, 'openrail++', 'model_index.json'],
    ['a licence file', { 'LICENSE.txt': MIT, 'README.md': 'no word' }, 'MIT', 'LICENSE.txt'],
    ['a notice', { NOTICE: 'Licensed under the Apache License, Version 2.0' }, 'Apache-2.0', 'NOTICE'],
    ['nothing', { 'README.md': 'no word', 'config.json': '{', LICENSE: 'My own.' }, null, null],
    ['a card that says only other', { 'README.md': '---\nlicense: other\n---\n' }, null, null],
  ])('are read from %s', (_, files, name, source) => {
    expect(licencesOf(modelWith(files as never))).toEqual([{ part: null, name, source }]);
  });

  it('are told of parts that have one of their own', () => {
    const model = modelWith({
      'README.md': '---\nlicense: apache-2.0\n---\n',
      'classifier/model.yaml': 'license: GPL-3.0\nsource: elsewhere\n',
      'face_detector/config.json': '{}',
      'clip/LICENSE': MIT,
    });
    expect(licencesOf(model)).toEqual([
      { part: null, name: 'apache-2.0', source: 'README.md' },
      { part: 'classifier', name: 'GPL-3.0', source: 'classifier/model.yaml' },
      { part: 'clip', name: 'MIT', source: 'clip/LICENSE' },
    ]);
  });

  it('are read from the header of a single file', () => {
    const file = path.join(folder, 'single.safetensors');
    const tensor = { dtype: 'F32' as const, shape: [1], data: new Float32Array(1) };
    writeSafetensors(file, new Map([['x', tensor]]), { 'modelspec.license': 'CreativeML Open RAIL-M' });
    expect(licencesOf(file)).toEqual([
      { part: null, name: 'CreativeML Open RAIL-M', source: 'single.safetensors' },
    ]);
    writeSafetensors(file, new Map([['x', tensor]]));
    expect(licencesOf(file)).toEqual([{ part: null, name: null, source: null }]);
  });

  it('are known of the model that ships', () => {
    const portraits = fileURLToPath(new URL('../../models/portraits', import.meta.url));
    expect(licencesOf(portraits)[0]).toEqual({ part: null, name: 'Apache-2.0', source: 'README.md' });
  });
});
