import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { listImages, readImages } from './image_folder.ts';
import { provenanceOf } from './provenance.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'images-'));
const at = (...names: string[]) => path.join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

/** Left half of one colour, right half of another. */
async function halves(file: string, width: number, height: number, left: number, right: number) {
  const pixels = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) =>
      Math.floor(i / 3) % width < width / 2 ? left : right,
    ),
  );
  mkdirSync(path.dirname(file), { recursive: true });
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
}

describe('a folder of real images', () => {
  it('is read in the order of its names, below it too, at one size', async () => {
    await halves(at('real', 'b.png'), 8, 8, 0, 255);
    await halves(at('real', 'a', 'wide.png'), 32, 8, 255, 0);
    await halves(at('real', 'c.PNG'), 4, 4, 51, 51);
    writeFileSync(at('real', 'notes.txt'), 'no image');
    const files = listImages(at('real'));
    expect(files.map((file) => path.basename(file))).toEqual(['wide.png', 'b.png', 'c.PNG']);
    const images = await readImages(files, { height: 8, width: 8 });
    expect([images.count, images.height, images.width, images.data.length]).toEqual([3, 8, 8, 3 * 3 * 64]);
    const pixel = (image: number, x: number) => images.data[image * 192 + 4 * 8 + x]!;
    // The wide image is cut at its centre, where its halves meet.
    expect([pixel(0, 0), pixel(0, 7)]).toEqual([1, -1]);
    expect([pixel(1, 0), pixel(1, 7)]).toEqual([-1, 1]);
    expect(pixel(2, 3)).toBeCloseTo(51 / 127.5 - 1, 6);
  });

  it('is refused when there is too little in it, and a broken file is named', async () => {
    mkdirSync(at('few'));
    expect(() => listImages(at('few'))).toThrow(/at least 3 images.*found 0/);
    writeFileSync(at('few', 'broken.png'), 'nothing');
    await expect(readImages([at('few', 'broken.png')], { height: 8, width: 8 })).rejects.toThrow(
      /broken.png: /,
    );
  });
});

describe('provenanceOf', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

  it('hashes weights and configurations, in order, and nothing else', async () => {
    for (const [name, text] of [
      ['unet/b.safetensors', 'weights'],
      ['unet/a.json', '{}'],
      ['unet/notes.md', 'x'],
      ['vae/c.bin', 'more'],
      ['other/d.bin', 'left out'],
    ] as const) {
      mkdirSync(path.dirname(at('model', name)), { recursive: true });
      writeFileSync(at('model', name), text);
    }
    const described = await provenanceOf('model', at('model'), ['unet', 'vae', 'missing']);
    expect(described).toEqual([
      { role: 'model', file: 'unet/a.json', bytes: 2, sha256: sha256('{}') },
      { role: 'model', file: 'unet/b.safetensors', bytes: 7, sha256: sha256('weights') },
      { role: 'model', file: 'vae/c.bin', bytes: 4, sha256: sha256('more') },
    ]);
    expect(await provenanceOf('adapter', at('model', 'vae', 'c.bin'))).toEqual([
      { role: 'adapter', file: 'c.bin', bytes: 4, sha256: sha256('more') },
    ]);
    await expect(provenanceOf('clip', at('nowhere'))).rejects.toThrow(/clip: expected a file or folder/);
  });
});
