/** Photographs of faces with labels, as FairFace and CelebA lay them out: files, classes, and where each label stands. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import type { RgbImage } from '../diffusion/image.ts';
import type { AttributeHead } from '../faces/attributes.ts';
import { parseCsv } from './csv.ts';

/** One photograph. */
export interface LabelledFace {
  /** Absolute path. */
  readonly file: string;
  /** Class index by attribute. */
  readonly labels: Readonly<Record<string, number>>;
  /** Where its labels stand: `file:line`. */
  readonly row: string;
}

/** A set of photographs. */
export interface LabelledFaces {
  readonly attributes: readonly AttributeHead[];
  readonly faces: readonly LabelledFace[];
}

/**
 * Which label makes which class, by attribute: the column, and for each class the labels that count as it. Labels of no class
 * are an error unless `others` says to leave those photographs out.
 */
export type LabelClasses = Readonly<
  Record<
    string,
    {
      /** Column of the table; the attribute's own name when left out. */
      readonly column?: string | undefined;
      readonly classes: Readonly<Record<string, readonly string[]>>;
      readonly others?: 'refuse' | 'leave out' | undefined;
    }
  >
>;

/** The classes of the method's own classifiers over FairFace's labels: two genders, four races, two ages ([P] 4.1). */
export const FAIRFACE_CLASSES: LabelClasses = Object.freeze({
  gender: { classes: { female: ['Female'], male: ['Male'] } },
  race: {
    classes: {
      wmelh: ['White', 'Middle Eastern', 'Latino_Hispanic'],
      asian: ['East Asian', 'Southeast Asian'],
      black: ['Black'],
      indian: ['Indian'],
    },
  },
  age: {
    classes: {
      young: ['0-2', '3-9', '10-19', '20-29', '30-39'],
      old: ['40-49', '50-59', '60-69', 'more than 70'],
    },
  },
});

/** Gender and age over CelebA's forty attributes, each 1 or -1. */
export const CELEBA_CLASSES: LabelClasses = Object.freeze({
  gender: { column: 'Male', classes: { female: ['-1'], male: ['1'] } },
  age: { column: 'Young', classes: { young: ['1'], old: ['-1'] } },
});

interface LabelRow {
  readonly image: string;
  readonly row: string;
  readonly label: (column: string) => string;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file}: expected a table of labels, ${(error as Error).message}`, { cause: error });
  }
}

function attributesOf(classes: LabelClasses): AttributeHead[] {
  return Object.entries(classes).map(([name, { classes: named }]) => {
    const names = Object.keys(named);
    if (names.length < 2) throw new Error(`${name}: expected at least two classes, received ${names.length}`);
    return Object.freeze({ name, classes: Object.freeze(names) });
  });
}

function checkColumns(classes: LabelClasses, columns: readonly string[], table: string): void {
  for (const [name, { column = name }] of Object.entries(classes)) {
    if (!columns.includes(column)) {
      throw new Error(`${table}: expected a column ${column} for ${name}, received ${columns.join(', ')}`);
    }
  }
}

/** Labels to classes, and paths that exist; every row is checked before anything is opened. */
function labelled(classes: LabelClasses, folder: string, rows: readonly LabelRow[]): LabelledFaces {
  const attributes = attributesOf(classes);
  const faces = rows.flatMap(({ image, row, label }): LabelledFace[] => {
    const labels: Record<string, number> = {};
    for (const { name, classes: names } of attributes) {
      const { column = name, classes: counted, others = 'refuse' } = classes[name]!;
      const found = names.findIndex((each) => counted[each]!.includes(label(column)));
      if (found < 0 && others === 'leave out') return [];
      if (found < 0) {
        const known = names.flatMap((each) => counted[each]!).join(', ');
        throw new Error(`${row}: ${column}: expected one of ${known}, received "${label(column)}"`);
      }
      labels[name] = found;
    }
    const file = path.resolve(folder, image);
    if (!existsSync(file)) throw new Error(`${row}: expected an image ${file}, found none`);
    return [{ file, labels, row }];
  });
  if (faces.length === 0) throw new Error(`${folder}: expected labelled photographs, found none`);
  return { attributes, faces };
}

/**
 * Reads a part of FairFace: a table `file,age,gender,race,service_test` whose files are relative to a folder.
 * @param table path of `fairface_label_train.csv` or `fairface_label_val.csv`
 * @param folder where the table's files lie; the table's own folder when left out
 * @throws Error naming table and line of a label that no class has, a file that is missing, or a broken row
 */
export function readFairFace(
  table: string,
  classes: LabelClasses = FAIRFACE_CLASSES,
  folder: string = path.dirname(table),
): LabelledFaces {
  const { columns, rows } = parseCsv(readText(table), table);
  checkColumns(classes, ['file', ...columns.filter((name) => name !== 'file')], table);
  const at = columns.indexOf('file');
  if (at < 0) throw new Error(`${table}: expected a column file, received ${columns.join(', ')}`);
  return labelled(
    classes,
    folder,
    rows.map(({ line, cells }) => ({
      image: cells[at]!,
      row: `${table}:${line}`,
      label: (column: string) => cells[columns.indexOf(column)]!,
    })),
  );
}

/** The parts of CelebA by the numbers of its partition file. */
const PARTITIONS = Object.freeze({ train: '0', validation: '1', test: '2' });

/** A part of CelebA. */
export type CelebAPart = keyof typeof PARTITIONS;

/**
 * Reads a part of CelebA: `list_attr_celeba.txt` (number of images, names of attributes, rows of 1 and -1),
 * `list_eval_partition.txt`, and the images' folder.
 * @param folder where the two lists lie
 * @param images folder of the images; `img_align_celeba` beside the lists when left out
 * @throws Error naming list and line of what is missing or wrong
 */
export function readCelebA(
  folder: string,
  part: CelebAPart,
  classes: LabelClasses = CELEBA_CLASSES,
  images: string = path.join(folder, 'img_align_celeba'),
): LabelledFaces {
  const table = path.join(folder, 'list_attr_celeba.txt');
  const lines = readText(table).split(/\r?\n/);
  const columns = (lines[1] ?? '').trim().split(/\s+/);
  checkColumns(classes, columns, table);
  const parts = readPartitions(path.join(folder, 'list_eval_partition.txt'));
  const rows = lines.slice(2).flatMap((text, i): LabelRow[] => {
    const [image, ...cells] = text.trim().split(/\s+/);
    if (image === undefined || image === '') return [];
    const row = `${table}:${i + 3}`;
    if (cells.length !== columns.length) {
      throw new Error(`${row}: expected ${columns.length} labels, received ${cells.length}`);
    }
    const own = parts.get(image);
    if (own === undefined)
      throw new Error(`${row}: expected ${image} in list_eval_partition.txt, found it not`);
    if (own !== PARTITIONS[part]) return [];
    return [{ image, row, label: (column) => cells[columns.indexOf(column)]! }];
  });
  const stated = Number(lines[0]);
  const listed = lines.slice(2).filter((text) => text.trim() !== '').length;
  if (stated !== listed)
    throw new Error(`${table}:1: expected the number of rows ${listed}, received ${lines[0]}`);
  return labelled(classes, images, rows);
}

function readPartitions(file: string): Map<string, string> {
  const parts = new Map<string, string>();
  readText(file)
    .split(/\r?\n/)
    .forEach((text, i) => {
      if (text.trim() === '') return;
      const [image, number] = text.trim().split(/\s+/);
      if (number === undefined || !/^[012]$/.test(number)) {
        throw new Error(`${file}:${i + 1}: expected a file and 0, 1 or 2, received "${text}"`);
      }
      parts.set(image!, number);
    });
  return parts;
}

/**
 * Reads one photograph, turned as its camera says.
 * @throws Error naming the row and the file when it can't be decoded
 */
export async function readFace({ file, row }: LabelledFace): Promise<RgbImage> {
  try {
    const { data, info } = await sharp(file, { failOn: 'error' })
      .rotate()
      .flatten({ background: '#000000' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, pixels: data };
  } catch (error) {
    throw new Error(`${row}: ${file}: expected an image, ${(error as Error).message}`, { cause: error });
  }
}
