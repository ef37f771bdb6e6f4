/** Draws contact sheets of the Portraits world: `npx tsx scripts/contact_sheet.ts [folder]` writes groups, prompts and parts. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { sampleCaptionedScene } from '../src/portraits/captions.ts';
import { sampleEmptyScene, sampleScene } from '../src/portraits/compose.ts';
import { CANVAS_SIZE, rasterizeScene } from '../src/portraits/draw.ts';
import { FAMILIES, promptEntries } from '../src/portraits/prompts/index.ts';
import {
  EXPRESSIONS,
  freezeScene,
  GROUP_COUNT,
  groupAttributes,
  type Scene,
} from '../src/portraits/scene.ts';
import { STYLE_KINDS } from '../src/portraits/styles.ts';

const ZOOM = 2;

async function writeSheet(path: string, scenes: readonly Scene[], columns: number): Promise<void> {
  const rows = Math.ceil(scenes.length / columns);
  const width = columns * CANVAS_SIZE;
  const height = rows * CANVAS_SIZE;
  const sheet = new Uint8Array(width * height * 3);
  scenes.forEach((scene, place) => {
    const { pixels } = rasterizeScene(scene);
    const left = (place % columns) * CANVAS_SIZE;
    const top = Math.floor(place / columns) * CANVAS_SIZE;
    for (let y = 0; y < CANVAS_SIZE; y++) {
      const row = pixels.subarray(y * CANVAS_SIZE * 3, (y + 1) * CANVAS_SIZE * 3);
      sheet.set(row, ((top + y) * width + left) * 3);
    }
  });
  await sharp(sheet, { raw: { width, height, channels: 3 } })
    .resize(width * ZOOM, height * ZOOM, { kernel: 'nearest' })
    .png()
    .toFile(path);
  console.log(`${path}: ${scenes.length} scenes`);
}

function groupScenes(): Scene[] {
  return Array.from({ length: GROUP_COUNT }, (_, group) =>
    Array.from({ length: 8 }, (_, seed) =>
      sampleScene({ entry: null, people: [groupAttributes(group)], seed: seed * 101 + group }),
    ),
  ).flat();
}

/** One prompt of every category of every family; attributes run through the groups. */
function promptScenes(): Scene[] {
  const scenes: Scene[] = [];
  for (const family of FAMILIES) {
    const seen = new Set<string>();
    for (const entry of promptEntries(family)) {
      const key = family === 'styled' ? entry.style : entry.category;
      if (seen.has(key)) continue;
      seen.add(key);
      const people = [groupAttributes((scenes.length * 5) % GROUP_COUNT)];
      scenes.push(sampleScene({ entry, people, seed: scenes.length }));
    }
  }
  return scenes;
}

function otherScenes(): Scene[] {
  const base = sampleScene({ entry: promptEntries('occupation')[0]!, people: [groupAttributes(6)], seed: 3 });
  const expressions = [0, 8].flatMap((group) =>
    EXPRESSIONS.map((expression) => {
      const plain = sampleScene({ entry: null, people: [groupAttributes(group)], seed: 5 });
      return freezeScene({ ...plain, people: plain.people.map((person) => ({ ...person, expression })) });
    }),
  );
  const several = Array.from({ length: 400 }, (_, index) => sampleCaptionedScene(3, index))
    .filter((sample) => sample.kind === 'several')
    .slice(0, 12);
  return [
    ...expressions,
    ...STYLE_KINDS.map((style) => freezeScene({ ...base, style })),
    ...several.map((sample) => sample.scene),
    ...Array.from({ length: 12 }, (_, seed) => sampleEmptyScene(seed)),
  ];
}

async function main(): Promise<void> {
  const folder = process.argv[2] ?? join('.cache', 'contact-sheets');
  mkdirSync(folder, { recursive: true });
  await writeSheet(join(folder, 'groups.png'), groupScenes(), 8);
  await writeSheet(join(folder, 'prompts.png'), promptScenes(), 12);
  await writeSheet(join(folder, 'others.png'), otherScenes(), 12);
}

await main();
