import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { insertPngTexts, MAX_UNPACKED_TEXT, readPngChunks, readPngTexts, writePngChunks } from './png.ts';

const PIXELS = Uint8Array.from({ length: 4 * 3 * 3 }, (_, index) => (index * 37) % 256);
const image = await sharp(PIXELS, { raw: { width: 4, height: 3, channels: 3 } })
  .png()
  .toBuffer();

/** The image with one more chunk behind its header. */
function withChunk(type: string, data: Uint8Array): Uint8Array {
  const [header, ...rest] = readPngChunks(image);
  return writePngChunks([header, { type, data }, ...rest]);
}
const latin = (text: string) => Buffer.from(text, 'latin1');

describe('chunks', () => {
  it('split and join to the same bytes', () => {
    expect(Buffer.from(writePngChunks(readPngChunks(image))).equals(image)).toBe(true);
  });

  it('every damaged byte is noticed', () => {
    const unnoticed = Array.from(image, (byte, index) => {
      const damaged = Uint8Array.from(image);
      damaged[index] = byte ^ 0x20;
      try {
        readPngChunks(damaged);
        return index;
      } catch (error) {
        expect((error as Error).message).toMatch(/^PNG: /);
        return -1;
      }
    }).filter((index) => index >= 0);
    expect(unnoticed).toEqual([]);
  });

  it('every cut is noticed', () => {
    for (let length = 0; length < image.length; length++) {
      expect(() => readPngChunks(image.subarray(0, length))).toThrow(/signature is missing|the file is cut/);
    }
  });

  it.each([
    ['no PNG', Buffer.from('GIF89a..........'), 'the signature is missing'],
    [
      'a header that is not first',
      writePngChunks(readPngChunks(image).toReversed()),
      'expected the first chunk to be IHDR',
    ],
    ['a type that is not of letters', writePngChunks([{ type: 'IH R', data: latin('') }]), 'no valid type'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readPngChunks(bytes)).toThrow(message);
  });
});

describe('texts', () => {
  it.each([
    ['plain', 'a photo of a doctor\nSteps: 20', 'tEXt'],
    ['Latin-1', 'café ½ ÿ', 'tEXt'],
    ['Unicode', 'Ångström, 医者, 😀', 'iTXt'],
    ['empty', '', 'tEXt'],
    ['long', 'x'.repeat(100_000), 'tEXt'],
  ])('%s text is put in and read back', async (_, text, type) => {
    const bytes = insertPngTexts(image, [{ keyword: 'parameters', text }]);
    expect(readPngChunks(bytes).map((chunk) => chunk.type)).toEqual([
      'IHDR',
      type,
      ...readPngChunks(image)
        .slice(1)
        .map((chunk) => chunk.type),
    ]);
    expect(readPngTexts(bytes)).toEqual(new Map([['parameters', text]]));
    expect(Uint8Array.from(await sharp(bytes).raw().toBuffer())).toEqual(PIXELS);
  });

  it('libpng reads them too', async () => {
    const bytes = insertPngTexts(image, [
      { keyword: 'parameters', text: 'a cup, Steps: 20' },
      { keyword: 'evenhand', text: '{"prompt":"医者"}' },
    ]);
    const { comments } = await sharp(bytes).metadata();
    expect(comments).toEqual([
      { keyword: 'parameters', text: 'a cup, Steps: 20' },
      { keyword: 'evenhand', text: '{"prompt":"医者"}' },
    ]);
  });

  it('replace those of the same keyword and keep the others', () => {
    const first = insertPngTexts(image, [
      { keyword: 'Title', text: 'kept' },
      { keyword: 'parameters', text: 'старый' },
    ]);
    const second = insertPngTexts(first, [{ keyword: 'parameters', text: 'new' }]);
    expect(readPngTexts(second)).toEqual(
      new Map([
        ['parameters', 'new'],
        ['Title', 'kept'],
      ]),
    );
  });

  it.each([
    ['zTXt', Buffer.concat([latin('key\0\0'), deflateSync(latin('packed é'))]), 'packed é'],
    ['iTXt', Buffer.concat([latin('key\0\x01\0en\0\0'), deflateSync(Buffer.from('医者'))]), '医者'],
    ['iTXt', Buffer.concat([latin('key\0\0\0ja\0'), Buffer.from('鍵\0医者')]), '医者'],
  ])('%s of other programs is read', (type, data, text) => {
    expect(readPngTexts(withChunk(type, data)).get('key')).toBe(text);
  });

  it.each([
    [
      'an unpacking bomb',
      'zTXt',
      Buffer.concat([latin('key\0\0'), deflateSync(Buffer.alloc(MAX_UNPACKED_TEXT + 1))]),
      'unpacks to more than 16777216 bytes',
    ],
    [
      'a bomb in iTXt',
      'iTXt',
      Buffer.concat([latin('key\0\x01\0\0\0'), deflateSync(Buffer.alloc(MAX_UNPACKED_TEXT + 1))]),
      'unpacks to more than',
    ],
    ['damaged compression', 'zTXt', latin('key\0\0nonsense'), 'is not valid compressed data'],
    ['unknown compression', 'zTXt', latin('key\0\x05abc'), 'unknown compression'],
    ['no end of the keyword', 'tEXt', latin('keyword'), 'lacks the NUL'],
    ['no end of the language', 'iTXt', latin('key\0\0\0en'), 'lacks the NUL'],
  ])('refuses %s', (_, type, data, message) => {
    expect(() => readPngTexts(withChunk(type, data))).toThrow(message);
  });

  it.each([
    ['an empty keyword', '', 'x', 'expected 1 to 79'],
    ['a long keyword', 'k'.repeat(80), 'x', 'expected 1 to 79'],
    ['outer spaces', ' key', 'x', 'without outer or doubled spaces'],
    ['a keyword beyond Latin-1', '鍵', 'x', 'Latin-1'],
    ['NUL in the text', 'key', 'a\0b', 'contains NUL'],
  ])('does not write %s', (_, keyword, text, message) => {
    expect(() => insertPngTexts(image, [{ keyword, text }])).toThrow(message);
  });
});
