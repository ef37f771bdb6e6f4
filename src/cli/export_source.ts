/** Where an adapter comes from: its file, the run that made it, and the reports near it. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { readAdapter } from '../diffusion/adapter_file.ts';
import { scaledAdapter } from '../diffusion/adapter_scale.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { PEFT_CONFIG_FILE } from '../weights/lora_layers.ts';
import { DIFFUSERS_LORA_FILE, PEFT_PART_FOLDER } from '../weights/lora_reader.ts';
import { peekConfig } from './config.ts';
import { asUsage, UsageError } from './errors.ts';

/** Files that a run leaves, and the folder of the run within that of a demo or an alignment. */
const FILES = Object.freeze({ average: 'adapter.safetensors', best: 'best.safetensors' });
const CONFIGURATION = 'config.yaml';
const RUN_FOLDER = 'finetune';
const REPORT = 'report.json';

/** An adapter and the files that tell of it. */
export interface ExportSource {
  /** A `.safetensors` file, or a folder of PEFT or diffusers. */
  readonly adapter: string;
  /** Configuration of its run; null if it is not known. */
  readonly configuration: string | null;
  /** Reports that may be about it, the likeliest first. */
  readonly reports: readonly string[];
}

/**
 * Finds an adapter: a file, an adapter's folder, or the folder of a run, a demo or an alignment.
 * @param best whether the run's best validation is meant
 * @throws UsageError saying what was expected there
 */
export function findAdapter(at: string, best = false): ExportSource {
  if (!existsSync(at)) throw new UsageError(`adapter: expected a file or a run folder, found none at ${at}`);
  const isFile = statSync(at).isFile();
  const folder = isFile ? path.dirname(path.resolve(at)) : path.resolve(at);
  const adapter = isFile ? path.resolve(at) : adapterIn(folder, best);
  const near = [folder, path.join(folder, RUN_FOLDER), path.dirname(folder)];
  const existing = (name: string) =>
    near.map((each) => path.join(each, name)).filter((file) => existsSync(file));
  return { adapter, configuration: existing(CONFIGURATION)[0] ?? null, reports: existing(REPORT) };
}

function adapterIn(folder: string, best: boolean): string {
  const has = (...names: string[]) => existsSync(path.join(folder, ...names));
  const parts = Object.values(PEFT_PART_FOLDER);
  if (
    has(PEFT_CONFIG_FILE) ||
    has(DIFFUSERS_LORA_FILE) ||
    parts.some((part) => has(part, PEFT_CONFIG_FILE))
  ) {
    return folder;
  }
  const name = best ? FILES.best : FILES.average;
  const found = [folder, path.join(folder, RUN_FOLDER)]
    .map((each) => path.join(each, name))
    .find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new UsageError(
    `adapter: expected ${name} of a run, or an adapter of PEFT (${PEFT_CONFIG_FILE}) or diffusers (${DIFFUSERS_LORA_FILE}) in ` +
      `${folder}${has('checkpoints') ? '; the run has not ended yet: give its command again' : ''}`,
  );
}

/** An adapter that was read, and its file or folder. */
export interface OpenedAdapter {
  readonly file: string;
  /** With its updates times `scale`. */
  readonly read: Adapter;
  readonly scale: number;
}

/**
 * Reads the adapter that a user names, by its file or by its run, for a model.
 * @param scale how strongly it counts
 * @throws UsageError saying what was expected there, naming the tensor that is damaged or does not fit the model, or saying
 * why the adapter cannot be scaled
 */
export function openAdapter(at: string, model: TextToImageModel, scale: number): OpenedAdapter {
  const { adapter: file } = findAdapter(at);
  return { file, read: asUsage(() => scaledAdapter(readAdapter(file, model), scale)), scale };
}

/** A field of a run's configuration; undefined without one. */
export function configured({ configuration }: ExportSource, field: string): unknown {
  return configuration === null ? undefined : peekConfig({ file: configuration }, field);
}
