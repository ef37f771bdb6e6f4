import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'evenhand-fingerprint-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string) => path.join(folder, name);

test('a copy elsewhere has the same fingerprint; another value in the first, last or any sampled piece has another', () => {
  const bytes = new Uint8Array(1_000_003).map((_, i) => i * 31);
  writeFileSync(file('model.safetensors'), bytes);
  const original = fingerprintOf([file('model.safetensors')]);
  expect(original).toMatch(/^[0-9a-f]{16}$/);
  mkdirSync(file('copy'));
  copyFileSync(file('model.safetensors'), file('copy/model.safetensors'));
  expect(fingerprintOf([file('copy/model.safetensors')])).toBe(original);
  expect(fingerprintOf([file('copy')])).toBe(original);
  for (const at of [0, 100, bytes.length - 1]) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    writeFileSync(file('model.safetensors'), changed);
    expect(fingerprintOf([file('model.safetensors')])).not.toBe(original);
  }
  writeFileSync(file('model.safetensors'), bytes.subarray(1));
  expect(fingerprintOf([file('model.safetensors')])).not.toBe(original);
});

test('weights that were trained on, and so differ by a little everywhere, have another fingerprint', () => {
  const weights = Float32Array.from({ length: 500_000 }, (_, i) => Math.sin(i));
  writeFileSync(file('model.safetensors'), weights);
  const before = fingerprintOf([folder]);
  writeFileSync(
    file('model.safetensors'),
    weights.map((value) => value * 1.0001),
  );
  expect(fingerprintOf([folder])).not.toBe(before);
});

test('small, empty and several files count, by name; files that decide nothing do not', () => {
  writeFileSync(file('config.json'), '{}');
  writeFileSync(file('model.safetensors'), '');
  const original = fingerprintOf([folder]);
  writeFileSync(file('notes.md'), 'read me');
  mkdirSync(file('folder.json'));
  expect(fingerprintOf([folder])).toBe(original);
  writeFileSync(file('config.json'), '{ }');
  expect(fingerprintOf([folder])).not.toBe(original);
  writeFileSync(file('config.json'), '{}');
  writeFileSync(file('more.json'), '');
  expect(fingerprintOf([folder])).not.toBe(original);
});
