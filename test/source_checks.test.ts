import { describe, expect, it } from 'vitest';
import { docstringFaults, MOST_LINES } from '../scripts/check_docstrings.ts';
import { importFaults, terminalFaults } from '../scripts/check_imports.ts';
import { sourceFiles } from '../scripts/source_files.ts';

describe('check_imports', () => {
  it.each([
    [
      'src/graph/a.ts',
      "import { x } from '../weights/b.ts';",
      /^src\/graph\/a.ts:1: graph comes before weights/,
    ],
    ['src/graph/a.ts', "\nexport * from '../cli/b.ts';", /^src\/graph\/a.ts:2: graph comes before cli/],
    ['src/text/a.ts', "const b = await import('../models/b.ts');", /text comes before models/],
    ['src/models/deep/a.ts', "import type { x } from '../../index.ts';", /may not import src\/index.ts/],
    ['src/models/a.ts', "import { x } from '../../test/b.ts';", /may not import test\/b.ts outside tests/],
    ['src/models/a.test.ts', "import { x } from '../../bench/b.ts';", /may not import bench\/b.ts/],
    ['src/models/a.ts', "import { x } from './b';", /expected an import ending in .ts, received .\/b/],
    ['src/attic/a.ts', '', /expected one of the rooms graph, .*received attic/],
    ['src/a.ts', '', /expected a file inside a room/],
  ])('refuses in %s: %s', (path, text, fault) => {
    expect(importFaults({ path, text })).toEqual([expect.stringMatching(fault)]);
  });

  it.each([
    ['src/weights/a.ts', "import { x } from '../graph/b.ts';\nimport { y } from './c.ts';"],
    ['src/index.ts', "export * from './cli/b.ts';"],
    ['src/models/a.test.ts', "import { x } from '../../test/b.ts';"],
    ['src/cli/a.ts', "import path from 'node:path';\n// import { x } from '../nowhere/b.ts';"],
  ])('accepts in %s: %s', (path, text) => {
    expect(importFaults({ path, text })).toEqual([]);
  });
});

describe('check_imports, of the terminal', () => {
  const sources = [
    { path: 'src/evaluate/pure.ts', text: "import type { x } from './files.ts';\nexport const a = 1;" },
    { path: 'src/evaluate/files.ts', text: "import fs from 'node:fs';\nexport const x = fs;" },
    { path: 'src/server/late.ts', text: "export * from '../evaluate/files.ts';" },
    { path: 'src/server/circle.ts', text: "import '../server/circle.ts';" },
    { path: 'src/diffusion/pixels.ts', text: "import sharp from 'sharp';" },
    { path: 'src/text/words.ts', text: "import { z } from 'zod';\nimport type { x } from 'sharp';" },
    { path: 'src/training/recipe.ts', text: 'export const a = 1;' },
    { path: 'src/evaluate/trained.ts', text: "export { a } from '../training/recipe.ts';" },
  ];
  const faultsOf = (text: string) => terminalFaults([...sources, { path: 'web/src/api/a.ts', text }]);
  it.each([
    ["\nimport fs from 'node:fs';", /^web\/src\/api\/a.ts:2: no browser has node:fs$/],
    [
      "import { x } from '../../../src/server/late.ts';",
      /load src\/server\/late.ts, which imports src\/evaluate\/files.ts, which imports node:fs$/,
    ],
    ["const x = await import('../../../src/evaluate/files.ts');", /cannot load src\/evaluate/],
    [
      "import { type x, y } from '../../../src/evaluate/files.ts';",
      /cannot load src\/evaluate\/files.ts, which imports node:fs$/,
    ],
    ["import sharp from 'sharp';", /may load the packages @bufbuild\/protobuf, .*, zod, not sharp$/],
    [
      "import '../../../src/diffusion/pixels.ts';",
      /cannot load src\/diffusion\/pixels.ts, which imports sharp$/,
    ],
    [
      "import { a } from '../../../src/training/recipe.ts';",
      /cannot load src\/training\/recipe.ts: of the room training it may have types alone$/,
    ],
    [
      "import { a } from '../../../src/evaluate/trained.ts';",
      /load src\/evaluate\/trained.ts, which imports src\/training\/recipe.ts: of the room training/,
    ],
    ["import { x } from '../../testing/drawn.ts';", /may import from web\/src\/ and src\/, not web\/testing/],
    ["import type { x } from '../../../test/a.ts';", /not test\/a.ts$/],
  ])('refuses %s', (text, fault) => {
    expect(faultsOf(text)).toEqual([expect.stringMatching(fault)]);
  });

  it.each([
    "import { a } from '../../../src/evaluate/pure.ts';",
    "import type { x } from '../../../src/server/late.ts';\nimport type fs from 'node:fs';",
    "import '../styles/base.css';\nimport { b } from './b.ts';\nimport React from 'react';",
    "import '../../../src/server/circle.ts';\nimport url from './worker.ts?url';",
    "import { x } from '../../../src/text/words.ts';\nimport wasm from 'onnxruntime-web/ort.wasm?url';",
    "import type { a } from '../../../src/training/recipe.ts';\nimport type { z } from 'sharp';",
  ])('accepts %s', (text) => {
    expect(faultsOf(text)).toEqual([]);
  });
});

describe('check_docstrings', () => {
  it.each([
    ['const a = 1;', /expected the module to start/],
    ['/** */\nconst a = 1;', /expected the module to start/],
    ['/** What it is. */\n\nexport const a = 1;', /^x.ts:3: .*above a$/],
    ['/** What it is. */\nexport function b() {}', /above b$/],
    ['/** What it is. */\n\n/** Far. */\n\nexport type C = 1;', /above C$/],
    ['/** What it is. */\n\n// Not a docstring.\nexport class D {}', /above D$/],
    ['/** What it is. */\n\n/** Above. */\nconst e = 1;\nexport interface F {}', /above F$/],
    [`/** What it is. */\n${'\n'.repeat(MOST_LINES)}`, /expected at most 500 lines, received 501/],
  ])('refuses %j', (text, fault) => {
    expect(docstringFaults({ path: 'x.ts', text })).toEqual([expect.stringMatching(fault)]);
  });

  it.each([
    "/** What it is. */\n\nexport { a } from './a.ts';\n\n/** B. */\nexport const b = 1;",
    '/** What. */\n\n/** A. */\n// biome-ignore lint/x: why\nexport const a = 1;',
    '#!/usr/bin/env node\n/** What it is. */\nconst a = 1;',
    '/** What. */\n\n/** Adds. */\nexport function f(x: 1): 1;\nexport function f(x: 2): 2;\nexport function f(x: 1 | 2) { return x; }',
  ])('accepts %j', (text) => {
    expect(docstringFaults({ path: 'x.ts', text })).toEqual([]);
  });
});

describe('tests', () => {
  it('are all run: none is skipped, singled out or put off', () => {
    const pattern =
      /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b|\b(?:xit|xdescribe|xtest|fit|fdescribe)\s*\(|\.skip\(\)/;
    const files = sourceFiles(['src', 'test', 'bench']).filter(({ path }) => /\.test\.tsx?$/.test(path));
    expect(files.length).toBeGreaterThan(20);
    // This file names what it looks for.
    const others = files.filter(({ path }) => path !== 'test/source_checks.test.ts');
    expect(others.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
    expect(['it.skip(', 'describe.only(', 'it.each.todo(', 'xit ('].every((text) => pattern.test(text))).toBe(
      true,
    );
  });
});
