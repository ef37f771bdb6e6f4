/** Rendered training sets on disk: packed pixels and one line of facts per picture, drawn in parallel, resumable. */

import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve as absolute, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../weights/make_folder.ts';
import { type CaptionOptions, sampleCaptionedScene } from './captions.ts';
import { CANVAS_SIZE, type FaceTruth, rasterizeScene } from './draw.ts';

/** Pictures per file; a file is either complete or absent. */
export const SHARD_SIZE = 2000;

/** Raise by one whenever scenes, captions or drawing change, so that old folders aren't mixed with new pictures. */
export const DRAWING_VERSION = 3;

/** What to render. */
export interface DatasetRequest {
  /** Sequence of captioned scenes (see `sampleCaptionedScene`). */
  readonly seed: number;
  /** Number of pictures: indices 0..count-1 of the sequence. */
  readonly count: number;
  /** Folder of all data sets; default `.cache/portraits` under the working directory. */
  readonly directory?: string;
  readonly captions?: CaptionOptions;
  /** Number of processes; default one for every processor. */
  readonly workers?: number;
  /** Called after every finished file with the number of pictures that exist. */
  readonly onProgress?: (done: number, count: number) => void;
}

/** The facts about one picture. */
export interface DatasetRecord {
  readonly index: number;
  readonly caption: string;
  readonly kind: string;
  /** Prompt entry's prompt, or null. */
  readonly prompt: string | null;
  readonly explicit: Readonly<Record<'gender' | 'race' | 'age', boolean>>;
  /** From left to right; boxes and landmarks in pixels of the 64 x 64 picture. */
  readonly faces: readonly FaceTruth[];
}

/** A rendered data set, opened for reading. */
export interface Dataset {
  readonly directory: string;
  readonly count: number;
  /** Side of the pictures in pixels. */
  readonly size: number;
  /** Pixels of picture `index`: size*size*3 bytes, rows from the top, RGB; a view, valid as long as it is referenced. */
  pixels(index: number): Uint8Array;
  /** Facts about picture `index`. */
  record(index: number): DatasetRecord;
}

const PICTURE_BYTES = CANVAS_SIZE * CANVAS_SIZE * 3;

function shardPath(directory: string, shard: number, ending: 'bin' | 'jsonl'): string {
  return join(directory, `shard-${String(shard).padStart(5, '0')}.${ending}`);
}

function shardLength(count: number, shard: number): number {
  return Math.min(SHARD_SIZE, count - shard * SHARD_SIZE);
}

function isComplete(directory: string, count: number, shard: number): boolean {
  const pixels = shardPath(directory, shard, 'bin');
  const facts = shardPath(directory, shard, 'jsonl');
  return (
    existsSync(facts) &&
    existsSync(pixels) &&
    statSync(pixels).size >= shardLength(count, shard) * PICTURE_BYTES
  );
}

/** Draws one file of pictures and its facts; both appear under their names only when they are whole. */
export function renderShard(
  directory: string,
  seed: number,
  count: number,
  shard: number,
  captions: CaptionOptions,
): void {
  const length = shardLength(count, shard);
  const pixels = new Uint8Array(length * PICTURE_BYTES);
  const lines: string[] = [];
  for (let place = 0; place < length; place++) {
    const index = shard * SHARD_SIZE + place;
    const { caption, scene, promptEntry, kind, explicit } = sampleCaptionedScene(seed, index, captions);
    const image = rasterizeScene(scene, CANVAS_SIZE);
    pixels.set(image.pixels, place * PICTURE_BYTES);
    const faces = image.faces.map((face) => ({
      box: face.box.map(rounded),
      landmarks: face.landmarks.map((point) => point.map(rounded)),
      attributes: face.attributes,
    }));
    lines.push(
      JSON.stringify({ index, caption, kind, prompt: promptEntry?.prompt ?? null, explicit, faces }),
    );
  }
  const write = (path: string, content: Uint8Array | string): void => {
    const temporary = `${path}.${process.pid}.part`;
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  };
  write(shardPath(directory, shard, 'jsonl'), `${lines.join('\n')}\n`);
  write(shardPath(directory, shard, 'bin'), pixels);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

interface Manifest {
  readonly version: number;
  readonly seed: number;
  readonly captions: CaptionOptions;
}

/**
 * Renders the first `count` captioned scenes of sequence `seed` into `<directory>/<seed>`, with one child process per
 * processor, and opens the result. Files that are already complete are kept, so an interrupted call goes on where it
 * stopped and a larger count adds to a smaller one. Throws Error when the folder holds a set with other options, or
 * when a child process fails.
 */
export async function renderDataset(request: DatasetRequest): Promise<Dataset> {
  const { seed, count, captions = {} } = request;
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`Data set: count must be a positive integer, got ${count}`);
  const directory = absolute(request.directory ?? join('.cache', 'portraits'), String(seed));
  makeFolder(directory);
  const manifest: Manifest = { version: DRAWING_VERSION, seed, captions };
  const manifestPath = join(directory, 'manifest.json');
  const text = JSON.stringify(manifest);
  if (existsSync(manifestPath) && readFileSync(manifestPath, 'utf8') !== text) {
    throw new Error(
      `Data set ${directory}: expected options ${text}, found ${readFileSync(manifestPath, 'utf8')}`,
    );
  }
  writeFileSync(manifestPath, text);
  const shards = Math.ceil(count / SHARD_SIZE);
  const missing = Array.from({ length: shards }, (_, shard) => shard).filter(
    (shard) => !isComplete(directory, count, shard),
  );
  let done = count - missing.reduce((sum, shard) => sum + shardLength(count, shard), 0);
  request.onProgress?.(done, count);
  const next = async (): Promise<void> => {
    for (let shard = missing.shift(); shard !== undefined; shard = missing.shift()) {
      await runShard(directory, seed, count, shard, captions);
      done += shardLength(count, shard);
      request.onProgress?.(done, count);
    }
  };
  const workers = Math.min(request.workers ?? availableParallelism(), Math.max(1, missing.length));
  await Promise.all(Array.from({ length: workers }, next));
  return openDataset(directory, count);
}

function runShard(
  directory: string,
  seed: number,
  count: number,
  shard: number,
  captions: CaptionOptions,
): Promise<void> {
  const source = import.meta.url.endsWith('.ts');
  const script = fileURLToPath(
    new URL(source ? './dataset_worker.ts' : './dataset_worker.js', import.meta.url),
  );
  const flags = source ? ['--import', 'tsx'] : [];
  const child = spawn(
    process.execPath,
    [...flags, script, JSON.stringify({ directory, seed, count, shard, captions })],
    {
      cwd: dirname(script),
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `Data set ${directory}: file ${shard} failed with exit code ${code}: ${errors.slice(-2000)}`,
          ),
        );
    });
  });
}

/** Opens the first `count` pictures of a rendered folder. Throws Error with the file's name when one is missing. */
export function openDataset(directory: string, count: number): Dataset {
  const shards = Math.ceil(count / SHARD_SIZE);
  for (let shard = 0; shard < shards; shard++) {
    if (!isComplete(directory, count, shard)) {
      throw new Error(
        `Data set ${directory}: expected ${count} pictures, ${shardPath(directory, shard, 'bin')} isn't complete`,
      );
    }
  }
  const pixelShards = new Map<number, Uint8Array>();
  const factShards = new Map<number, readonly string[]>();
  const place = (index: number): [number, number] => {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`Data set ${directory}: index must be in 0..${count - 1}, got ${index}`);
    }
    return [Math.floor(index / SHARD_SIZE), index % SHARD_SIZE];
  };
  return {
    directory,
    count,
    size: CANVAS_SIZE,
    pixels(index) {
      const [shard, offset] = place(index);
      let bytes = pixelShards.get(shard);
      if (!bytes) {
        bytes = readBytes(shardPath(directory, shard, 'bin'));
        pixelShards.set(shard, bytes);
      }
      return bytes.subarray(offset * PICTURE_BYTES, (offset + 1) * PICTURE_BYTES);
    },
    record(index) {
      const [shard, offset] = place(index);
      let lines = factShards.get(shard);
      if (!lines) {
        lines = readFileSync(shardPath(directory, shard, 'jsonl'), 'utf8').split('\n');
        factShards.set(shard, lines);
      }
      return JSON.parse(lines[offset]!) as DatasetRecord;
    },
  };
}

function readBytes(path: string): Uint8Array {
  const bytes = new Uint8Array(statSync(path).size);
  const file = openSync(path, 'r');
  try {
    for (let offset = 0; offset < bytes.length; )
      offset += readSync(file, bytes, offset, bytes.length - offset, offset);
  } finally {
    closeSync(file);
  }
  return bytes;
}
