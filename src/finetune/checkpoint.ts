/** Checkpoints of a run: tensors and step in one safetensors file each, with a digest that exposes corruption. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { makeFolder } from '../weights/make_folder.ts';
import { openSafetensors, readTensorFloat32 } from '../weights/safetensors.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';

/** A float32 tensor with its shape. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Everything that a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  /** Number of finished steps. */
  readonly step: number;
  /** Parameters, moving averages and optimizer state by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** What else the run keeps: its configuration's digest, best metrics, counters. */
  readonly metadata: Readonly<Record<string, string>>;
}

const PREFIX = 'checkpoint-';

function fileOf(directory: string, step: number): string {
  return path.join(directory, `${PREFIX}${String(step).padStart(8, '0')}.safetensors`);
}

/** Steps of the checkpoints in `directory`, oldest first; empty when there is no such folder. */
export function listCheckpoints(directory: string): number[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((name) => /^checkpoint-(\d+)\.safetensors$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Writes a checkpoint under a temporary name, renames it, records its SHA-256 beside it, and removes all but the newest `keep`
 * up to it. Those past it are removed too: a run that goes on from before them, because they are damaged or belong to other
 * settings, makes its own.
 * @returns the path of the checkpoint
 */
export function saveCheckpoint(directory: string, checkpoint: Checkpoint, keep = 2): string {
  makeFolder(directory);
  const file = fileOf(directory, checkpoint.step);
  const tensors = new Map(
    [...checkpoint.tensors].map(([name, { shape, data }]) => [name, { dtype: 'F32' as const, shape, data }]),
  );
  writeSafetensors(file, tensors, { ...checkpoint.metadata, step: String(checkpoint.step) });
  writeTextAtomically(`${file}.sha256`, `${digestOf(file)}\n`);
  const steps = listCheckpoints(directory);
  const kept = steps.filter((step) => step <= checkpoint.step).slice(-keep);
  for (const other of steps.filter((step) => !kept.includes(step))) {
    rmSync(fileOf(directory, other), { force: true });
    rmSync(`${fileOf(directory, other)}.sha256`, { force: true });
  }
  return file;
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/**
 * Reads one checkpoint file.
 * @throws Error when the file does not match its recorded digest or is not a checkpoint
 */
export function readCheckpoint(file: string): Checkpoint {
  const recorded = existsSync(`${file}.sha256`) ? readFileSync(`${file}.sha256`, 'utf8').trim() : 'none';
  const actual = digestOf(file);
  if (recorded !== actual) {
    throw new Error(
      `${file}: expected SHA-256 ${recorded}, received ${actual}: the checkpoint is corrupt or half written`,
    );
  }
  const opened = openSafetensors(file);
  const { step, ...metadata } = opened.metadata;
  if (step === undefined)
    throw new Error(`${file}: expected metadata "step", received none: not a checkpoint`);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { shape }] of opened.tensors) {
    tensors.set(name, { shape, data: readTensorFloat32(opened, name) });
  }
  return { step: Number(step), tensors, metadata };
}

/**
 * Metadata of the newest checkpoint of `directory` whose header can be read, its tensors unseen.
 * @returns `null` when there is none
 */
export function newestMetadata(directory: string): Checkpoint['metadata'] | null {
  for (const step of listCheckpoints(directory).reverse()) {
    try {
      return openSafetensors(fileOf(directory, step)).metadata;
    } catch {
      // A damaged file says nothing; whoever loads it hears of it.
    }
  }
  return null;
}

/**
 * The newest checkpoint of `directory` that is whole; corrupt ones are reported and passed over.
 * @returns `null` when there is none
 * @throws Error when one cannot be read for a reason that says nothing about it, such as missing rights or too many open files: an
 * older one would silently give up work that is there
 */
export function loadLatestCheckpoint(directory: string, warn: (message: string) => void): Checkpoint | null {
  for (const step of listCheckpoints(directory).reverse()) {
    const file = fileOf(directory, step);
    try {
      return readCheckpoint(file);
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (syscall !== undefined && code !== 'ENOENT' && code !== 'EIO')
        throw new Error(`${file}: cannot be read: ${(error as Error).message}`, { cause: error });
      warn(`${(error as Error).message}; using the one before it`);
    }
  }
  return null;
}
