/** What the stand-in server draws and answers: scenes in place of generated images, and the data of a report. */

import sharp from 'sharp';
import { encodePng } from '../../src/diffusion/image_metadata.ts';
import { sampleScene } from '../../src/portraits/compose.ts';
import { rasterizeScene } from '../../src/portraits/draw.ts';
import { promptEntries } from '../../src/portraits/prompts/index.ts';
import { randomStream } from '../../src/portraits/random.ts';
import { groupAttributes } from '../../src/portraits/scene.ts';
import type { Measured, Model } from '../../src/server/schemas/web_types.ts';

/** The one model that the stand-in has. */
export const MODEL: Model = {
  name: 'portraits',
  isDefault: true,
  pipeline: 'StableDiffusionPipeline',
  side: 64,
  sideMultiple: 4,
  guidanceScale: 4,
  parameters: 7_650_000,
  attributes: [
    { name: 'gender', classes: ['female', 'male'] },
    { name: 'race', classes: ['wmelh', 'asian', 'black', 'indian'] },
    { name: 'age', classes: ['young', 'old'] },
  ],
  canFinetune: true,
  canEvaluate: true,
  licences: [{ part: null, name: 'Apache-2.0', source: 'README.md' }],
};

/** PNG of a scene that follows from prompt, seed and side alone. */
export async function drawPng(prompt: string, seed: number, side = 64, share = 0.25): Promise<Uint8Array> {
  const random = randomStream('stand-in', prompt, seed);
  const group = groupAttributes(Math.floor(random.uniform() * 16));
  const person = { ...group, gender: random.uniform() < share ? 'female' : 'male' } as const;
  const entry = promptEntries('occupation', 'test').find((each) => each.prompt === prompt) ?? null;
  const { pixels } = rasterizeScene(sampleScene({ entry, people: [person], seed }), side);
  const parameters = {
    prompt,
    steps: 20,
    sampler: 'DPM++ 2M',
    guidanceScale: 4,
    seed,
    width: side,
    height: side,
  };
  return encodePng(pixels, side, side, { parameters, record: { prompt, seed } });
}

/** A validation grid as runs write it: rows in pairs, before above after. */
export async function drawGrid(): Promise<Uint8Array> {
  const tiles = Array.from({ length: 32 }, (_, k) => ({ row: Math.floor(k / 8), column: k % 8 }));
  const composed = await Promise.all(
    tiles.map(async ({ row, column }) => ({
      input: Buffer.from(await drawPng(`row ${row >> 1}`, column, 64, row % 2 === 0 ? 0.2 : 0.6)),
      left: column * 66,
      top: row * 66,
    })),
  );
  const background = { width: 526, height: 262, channels: 3, background: '#fff' } as const;
  return sharp({ create: background }).composite(composed).png().toBuffer();
}

/** A measurement as the data of a report holds it, as far as the terminal reads it. */
export function evaluationOf({ label, images, faces, level, attributes }: Measured): unknown {
  return {
    label,
    attributes: attributes.map(({ attribute, classes, shares, target }) => ({
      attribute,
      classes,
      target: target ?? classes.map(() => 1 / classes.length),
      frequencies: shares,
      images,
      faces,
      level,
    })),
  };
}

/** Shares of one attribute of a target, in the order of its classes. */
export function targetOf(target: unknown, name: string, classes: readonly string[]): number[] {
  const shares = (target as Record<string, unknown>)[name];
  if (shares === 'uniform') return classes.map(() => 1 / classes.length);
  return classes.map((each) => (shares as Record<string, number>)[each] ?? 0);
}
