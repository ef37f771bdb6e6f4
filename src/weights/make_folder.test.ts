import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from './make_folder.ts';

const root = mkdtempSync(path.join(tmpdir(), 'make-folder-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('makeFolder', () => {
  it('makes a folder with those above it, and keeps what is there', () => {
    const folder = path.join(root, 'a', 'b', 'c');
    expect(makeFolder(folder)).toBe(folder);
    writeFileSync(path.join(folder, 'kept'), 'kept');
    expect(makeFolder(path.relative('.', folder))).toBe(folder);
    expect(readFileSync(path.join(folder, 'kept'), 'utf8')).toBe('kept');
  });

  it('names a file that is in the way', () => {
    const file = path.join(root, 'file');
    writeFileSync(file, '');
    expect(() => makeFolder(file)).toThrow(`${file}: expected a folder, or a place for one, but a file is`);
    expect(() => makeFolder(path.join(file, 'a', 'b'))).toThrow(`but ${file} is a file`);
  });

  it('ends where no folder can be made', () => {
    expect(() => makeFolder('/proc/evenhand/run')).toThrow(
      /^\/proc\/evenhand\/run: expected a folder that can be written to: E/,
    );
  });
});
