/** `evenhand faces bank`: from a folder of images and from drawn portraits to a bank that finds faces again. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nearestFaces, openFaceBank } from '../src/faces/index.ts';
import { Runtime } from '../src/graph/index.ts';
import { sampleCaptionedScene } from '../src/portraits/captions.ts';
import { rasterizeScene } from '../src/portraits/draw.ts';
import { runCli } from './run_cli.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'faces-'));
const at = (...names: string[]) => path.join(folder, ...names);
const models = new URL('../models/portraits/', import.meta.url).pathname;
const JUDGES = [
  '--detector',
  path.join(models, 'face_detector'),
  '--embedder',
  path.join(models, 'face_embedder'),
];
const CPU = ['--device', 'cpu', '--threads', '1', '--json'];
const bank = (...more: string[]) => runCli(['faces', 'bank', ...more, ...CPU]);

beforeAll(async () => {
  mkdirSync(at('photographs', 'more'), { recursive: true });
  let written = 0;
  for (let index = 0; written < 6; index++) {
    const { scene } = sampleCaptionedScene(21, index, {});
    if (scene.people.length !== 1 || scene.style !== 'photo') continue;
    const { pixels, size } = rasterizeScene(scene, 128);
    const file = at('photographs', written < 3 ? '.' : 'more', `${written++}.png`);
    await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toFile(file);
  }
  // Nobody to be seen, in another shape.
  const empty = { create: { width: 90, height: 40, channels: 3 as const, background: '#808080' } };
  await sharp(empty).png().toFile(at('photographs', 'nobody.png'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('evenhand faces bank', () => {
  it('embeds the faces of a folder, the same every time, each nearest to itself', async () => {
    const files = [at('one.safetensors'), at('two.safetensors')];
    for (const file of files) {
      const result = await bank(at('photographs'), '-o', file, '--side', '64', ...JUDGES);
      expect(result.stderr).toBe('');
      const outcome = result.events().at(-1) as { faces: number; images: number; output: string };
      expect(outcome).toMatchObject({ command: 'faces bank', images: 7, output: file });
      expect(outcome.faces).toBeGreaterThan(2);
      expect(outcome.faces).toBeLessThanOrEqual(6);
    }
    expect(readFileSync(files[0]!).equals(readFileSync(files[1]!))).toBe(true);
    const opened = openFaceBank(files[0]!);
    const runtime = new Runtime({ threads: 1 });
    const { indices, cosines } = nearestFaces(opened, opened.embeddings);
    const graph = await runtime.compile({ indices, cosines });
    const found = await graph.run({});
    await runtime.close();
    expect([...found.indices!].map(Number)).toEqual(Array.from({ length: opened.size }, (_, i) => i));
    for (const cosine of found.cosines!) expect(Number(cosine)).toBeCloseTo(1, 2);
  });

  it('draws as many portraits of every group, with their attributes', async () => {
    const drawn = ['--drawn', '--scenes', '256', '--per-group', '1', '--data', at('scenes')];
    const result = await bank(...drawn, '-o', at('drawn.safetensors'));
    const outcome = result.events().at(-1) as { faces: number; images: number };
    expect(outcome.images).toBe(16);
    const { attributes, size } = openFaceBank(at('drawn.safetensors'));
    expect(size).toBe(outcome.faces);
    expect(attributes.map(({ name, classes }) => [name, classes.length])).toEqual([
      ['gender', 2],
      ['race', 4],
      ['age', 2],
    ]);
    expect(attributes.every(({ values }) => values.length === size)).toBe(true);
  });

  it('refuses what it cannot build from', async () => {
    const { stderr: neither, status } = await bank('-o', at('none.safetensors'));
    expect(neither).toMatch(/expected a folder of images or --drawn, received neither/);
    expect(status).not.toBe(0);
    expect((await bank(at('photographs'), '--drawn')).stderr).toMatch(/received both/);
    mkdirSync(at('empty'), { recursive: true });
    expect((await bank(at('empty'), ...JUDGES)).stderr).toMatch(/expected at least 1 images.*found 0/);
    writeFileSync(at('empty', 'text.png'), 'no image');
    expect((await bank(at('empty'), ...JUDGES)).stderr).toMatch(/text\.png/);
    await sharp(at('photographs', 'nobody.png')).toFile(at('empty', 'text.png'));
    const output = at('none.safetensors');
    const nobody = await bank(at('empty'), '-o', output, ...JUDGES);
    expect(nobody.stderr).toMatch(/finds no face in any of 1 images; nothing was written/);
  });
});
