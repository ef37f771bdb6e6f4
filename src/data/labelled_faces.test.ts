/** Photographs with labels in the layouts of FairFace and CelebA, on small folders written for the test. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCsv } from './csv.ts';
import { readCelebA, readFace, readFairFace } from './labelled_faces.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-labels-'));
const at = (...parts: string[]) => path.join(folder, ...parts);

async function writeImage(file: string, color: string): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  await sharp({ create: { width: 6, height: 4, channels: 3, background: color } })
    .png()
    .toFile(file);
}

beforeAll(async () => {
  for (const name of ['train/1.jpg', 'train/2.jpg', 'img_align_celeba/a.jpg', 'img_align_celeba/b.jpg']) {
    await writeImage(at(name), '#ff8000');
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string) => {
  writeFileSync(at(name), text);
  return at(name);
};

describe('comma-separated values', () => {
  test('with quotes, commas and line breaks in cells', () => {
    const { columns, rows } = parseCsv('\uFEFFa,b\r\n1,"x, ""y""\nz"\r\n\r\n2,\n', 'table.csv');
    expect(columns).toEqual(['a', 'b']);
    expect(rows).toEqual([
      { line: 2, cells: ['1', 'x, "y"\nz'] },
      { line: 5, cells: ['2', ''] },
    ]);
  });

  test.each([
    ['', 'table.csv: expected a first row'],
    ['a,b\n1,2\n3\n', 'table.csv:3: expected 2 cells, received 1'],
    ['a,b\n"1,2\n', 'table.csv:2: expected a quote that ends the cell'],
  ])('%j is refused', (text, message) => {
    expect(() => parseCsv(text, 'table.csv')).toThrow(message);
  });
});

describe('FairFace', () => {
  const HEADER = 'file,age,gender,race,service_test\n';
  const good = `${HEADER}train/1.jpg,50-59,Male,East Asian,True\ntrain/2.jpg,30-39,Female,Latino_Hispanic,False\n`;

  test('has its labels in the classes of the method', () => {
    const { attributes, faces } = readFairFace(write('good.csv', good));
    expect(attributes.map(({ name, classes }) => `${name} ${classes.join()}`)).toEqual([
      'gender female,male',
      'race wmelh,asian,black,indian',
      'age young,old',
    ]);
    expect(faces).toEqual([
      { file: at('train/1.jpg'), labels: { gender: 1, race: 1, age: 1 }, row: `${at('good.csv')}:2` },
      { file: at('train/2.jpg'), labels: { gender: 0, race: 0, age: 0 }, row: `${at('good.csv')}:3` },
    ]);
  });

  test('leaves out what no class wants, where it is told to', () => {
    const race = { classes: { black: ['Black'], asian: ['East Asian'] }, others: 'leave out' as const };
    const { faces } = readFairFace(write('good.csv', good), { race });
    expect(faces.map(({ labels }) => labels)).toEqual([{ race: 1 }]);
  });

  test.each([
    [
      'an unknown label',
      `${HEADER}train/1.jpg,50-59,Male,Martian,True\n`,
      /bad\.csv:2: race: expected one of White, .*"Martian"/,
    ],
    [
      'a missing file',
      `${HEADER}train/9.jpg,50-59,Male,White,True\n`,
      /bad\.csv:2: expected an image .*9\.jpg, found none/,
    ],
    ['a missing column', 'file,age,gender\ntrain/1.jpg,50-59,Male\n', /expected a column race for race/],
    ['no rows', HEADER, /expected labelled photographs, found none/],
  ])('with %s is refused', (_, text, message) => {
    expect(() => readFairFace(write('bad.csv', text))).toThrow(message);
  });
});

describe('CelebA', () => {
  const ATTRIBUTES = '2\nMale Smiling Young\na.jpg  1 -1 -1\nb.jpg -1  1  1\n';
  const lists = (attributes: string, partition = 'a.jpg 0\nb.jpg 1\n') => {
    write('list_attr_celeba.txt', attributes);
    write('list_eval_partition.txt', partition);
  };

  test('has its parts and its classes', () => {
    lists(ATTRIBUTES);
    const train = readCelebA(folder, 'train');
    expect(train.faces.map(({ labels }) => labels)).toEqual([{ gender: 1, age: 1 }]);
    const smiling = { smile: { column: 'Smiling', classes: { no: ['-1'], yes: ['1'] } } };
    const { faces } = readCelebA(folder, 'validation', smiling);
    expect(faces).toEqual([
      { file: at('img_align_celeba/b.jpg'), labels: { smile: 1 }, row: `${at('list_attr_celeba.txt')}:4` },
    ]);
    expect(() => readCelebA(folder, 'test')).toThrow('expected labelled photographs, found none');
  });

  test.each([
    [
      'a short row',
      ATTRIBUTES.replace('1 -1 -1', '1 -1'),
      undefined,
      /celeba\.txt:3: expected 3 labels, received 2/,
    ],
    [
      'a wrong count',
      ATTRIBUTES.replace('2\n', '7\n'),
      undefined,
      /celeba\.txt:1: expected the number of rows 2, received 7/,
    ],
    [
      'a strange label',
      ATTRIBUTES.replace('a.jpg  1', 'a.jpg  0'),
      undefined,
      /:3: Male: expected one of -1, 1, received "0"/,
    ],
    ['an image of no part', ATTRIBUTES, 'a.jpg 0\n', /celeba\.txt:4: expected b\.jpg in list_eval_partition/],
    ['a strange part', ATTRIBUTES, 'a.jpg 3\nb.jpg 0\n', /partition\.txt:1: expected a file and 0, 1 or 2/],
  ])('with %s is refused', (_, attributes, partition, message) => {
    lists(attributes, partition);
    expect(() => readCelebA(folder, 'train')).toThrow(message);
  });
});

test('photographs are read as pixels, and damaged ones named with their row', async () => {
  const face = { file: at('train/1.jpg'), labels: {}, row: 'list.csv:2' };
  const { width, height, pixels } = await readFace(face);
  expect([width, height, ...pixels.subarray(0, 3)]).toEqual([6, 4, 255, 128, 0]);
  const broken = write('broken.jpg', 'no image');
  await expect(readFace({ ...face, file: broken })).rejects.toThrow(
    /^list\.csv:2: .*broken\.jpg: expected an image/,
  );
});
