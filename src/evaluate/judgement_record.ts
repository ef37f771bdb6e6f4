/** The record of judged images: a file that an interrupted evaluation goes on from, one line a part of a prompt. */

import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import type { RgbImage } from '../diffusion/image.ts';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { makeFolder } from '../weights/make_folder.ts';
import type { JudgedPart } from './judgement.ts';

/** Judged images that are on disk. */
export interface JudgementRecord {
  /** The file. */
  readonly file: string;
  /** Judged images in it. */
  readonly images: number;
  /**
   * What was recorded of these images of a prompt; null where nothing was, or fewer of the images themselves were kept than
   * `kept`.
   */
  find(prompt: string, seeds: readonly number[], kept: number): Promise<JudgedPart | null>;
  /** Adds a line and returns when it is written. */
  add(part: JudgedPart): Promise<void>;
}

/**
 * Digest of whatever decides what is drawn and how it is judged, except the prompts and seeds, which each line holds.
 * @param settings plain data; hashes of all weights belong in it
 */
export function settingsDigest(settings: unknown): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);
}

const HEADER = Object.freeze({ format: 'evenhand-judged', version: 1 });

interface RecordedLine {
  readonly prompt: string;
  readonly seeds: readonly number[];
  readonly faces: readonly number[];
  readonly classes: Readonly<Record<string, readonly number[]>>;
  readonly confidences: Readonly<Record<string, readonly (number | null)[]>>;
  /** Little-endian float32 in base64. */
  readonly features: Readonly<Record<string, string>>;
  /** PNG in base64. */
  readonly pictures: readonly string[];
}

/**
 * Opens the record `judged/<digest>.jsonl` of a folder, or begins it. A line that a crash left half written is dropped.
 * @throws Error when the file is not such a record, naming the line
 */
export function openJudgementRecord(folder: string, digest: string): JudgementRecord {
  const file = path.join(folder, 'judged', `${digest}.jsonl`);
  makeFolder(path.dirname(file));
  const lines = existsSync(file) ? readLines(file, digest) : [];
  if (!existsSync(file)) writeTextAtomically(file, `${JSON.stringify({ ...HEADER, digest })}\n`);
  const known = new Map(lines.map((line) => [keyOf(line.prompt, line.seeds), line]));
  return {
    file,
    get images() {
      return [...known.values()].reduce((sum, { seeds }) => sum + seeds.length, 0);
    },
    async find(prompt, seeds, kept) {
      const line = known.get(keyOf(prompt, seeds));
      return line === undefined || line.pictures.length < kept ? null : readPart(line, kept);
    },
    async add(part) {
      const line = await writePart(part);
      appendFileSync(file, `${JSON.stringify(line)}\n`, { flush: true });
      known.set(keyOf(line.prompt, line.seeds), line);
    },
  };
}

function keyOf(prompt: string, seeds: readonly number[]): string {
  return JSON.stringify([prompt, seeds]);
}

function readLines(file: string, digest: string): RecordedLine[] {
  const text = readFileSync(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) writeTextAtomically(file, whole);
  const [header, ...lines] = whole.split('\n').slice(0, -1);
  const parsed = [header ?? '', ...lines].map((line, i) => {
    try {
      return JSON.parse(line) as unknown;
    } catch (error) {
      throw new Error(`${file}:${i + 1}: expected JSON: ${(error as Error).message}`, { cause: error });
    }
  });
  const { format, version, digest: written } = parsed[0] as Record<string, unknown>;
  if (format !== HEADER.format || version !== HEADER.version || written !== digest) {
    throw new Error(`${file}:1: expected a record of ${digest}, received ${header}`);
  }
  return parsed.slice(1) as RecordedLine[];
}

async function writePart(part: JudgedPart): Promise<RecordedLine> {
  const columns = <T, U>(record: Readonly<Record<string, T>>, write: (column: T) => U) =>
    Object.fromEntries(Object.entries(record).map(([name, column]) => [name, write(column)]));
  return {
    prompt: part.prompt,
    seeds: part.seeds,
    faces: Array.from(part.faces),
    classes: columns(part.classes, (column) => Array.from(column)),
    confidences: columns(part.confidences, (column) =>
      Array.from(column, (value) => (Number.isNaN(value) ? null : value)),
    ),
    features: columns(part.features, (column) =>
      Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('base64'),
    ),
    pictures: await Promise.all(part.pictures.map(encodePicture)),
  };
}

async function readPart(line: RecordedLine, kept: number): Promise<JudgedPart> {
  const columns = <T, U>(record: Readonly<Record<string, T>>, read: (column: T) => U) =>
    Object.fromEntries(Object.entries(record).map(([name, column]) => [name, read(column)]));
  return {
    prompt: line.prompt,
    seeds: line.seeds,
    faces: Int32Array.from(line.faces),
    classes: columns(line.classes, (column) => Int32Array.from(column)),
    confidences: columns(line.confidences, (column) =>
      Float32Array.from(column, (value) => value ?? Number.NaN),
    ),
    features: columns(line.features, (column) => {
      const bytes = Uint8Array.from(Buffer.from(column, 'base64'));
      return new Float32Array(bytes.buffer);
    }),
    pictures: await Promise.all(line.pictures.slice(0, kept).map(decodePicture)),
  };
}

async function encodePicture({ pixels, width, height }: RgbImage): Promise<string> {
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return png.toString('base64');
}

async function decodePicture(base64: string): Promise<RgbImage> {
  const { data, info } = await sharp(Buffer.from(base64, 'base64'))
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: new Uint8Array(data) };
}
