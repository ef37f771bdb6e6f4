/** Carries out an export: reads the adapter with its model, writes it in another format, and reads that back. */

import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import type { AdapterFormat } from '../diffusion/adapter_file.ts';
import { readAdapter, writeAdapter } from '../diffusion/adapter_file.ts';
import { writeMergedModel } from '../diffusion/merged_model.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { sha256OfFile } from '../evaluate/provenance.ts';
import type { PredictionType } from '../weights/ldm/prediction.ts';
import { DIFFUSERS_LORA_FILE } from '../weights/lora_reader.ts';
import { UsageError } from './errors.ts';
import { exportMetadata } from './export_metadata.ts';
import type { ExportSource, MeasuredAdapter } from './export_source.ts';
import { configured, headerOf, readMeasured } from './export_source.ts';
import { hashModel, modelName, resolveModel } from './models.ts';
import type { Progress } from './progress.ts';

/** What can be written. */
export type ExportFormat = AdapterFormat | 'merged';

/** Every format, by the names that `--format` takes. */
export const EXPORT_FORMATS: readonly ExportFormat[] = Object.freeze([
  'kohya',
  'diffusers',
  'peft',
  'textual-inversion',
  'merged',
]);

/** What to export, and where to. */
export interface ExportRequest {
  readonly source: ExportSource;
  /** Absolute path. */
  readonly output: string;
  readonly format?: ExportFormat | undefined;
  readonly dtype?: 'float32' | 'float16' | undefined;
  /** Name of soft tokens. */
  readonly token?: string | undefined;
  readonly title: string;
  /** Model that the adapter belongs to; the run's if not given, else the shipped one. */
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  readonly prediction?: PredictionType | undefined;
  /** Folder with the report about the adapter. */
  readonly evaluation?: string | undefined;
  /** Whether what is at the output may go. */
  readonly replace: boolean;
}

/** What was written. */
export interface ExportResult {
  readonly path: string;
  readonly format: ExportFormat;
  /** Report whose measurements are in the header. */
  readonly measured: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Writes an adapter in another format, and checks that it can be read back.
 * @param fetch sees to it that a model of the hub is on this machine
 * @throws UsageError naming the option that does not fit; or the signal's reason
 */
export async function exportAdapter(
  request: ExportRequest,
  progress: Progress,
  signal: AbortSignal,
  fetch: (name: string) => Promise<void>,
): Promise<ExportResult> {
  const { source, variant, prediction } = request;
  const ofRun = configured(source, 'model');
  const name = request.model ?? (typeof ofRun === 'string' ? ofRun : undefined);
  if (name !== undefined) await fetch(name);
  const folder = resolveModel(name, variant);
  const model = openTextToImageModel(folder, { variant, prediction });
  const adapter = readAdapter(source.adapter, model);
  const format = request.format ?? (adapter.softTokens === null ? 'kohya' : 'textual-inversion');
  const output = outputOf(request, format);
  if (configured(source, 'textContext') === 'masked') {
    progress.note(
      'trained with textContext masked: other programs show the denoiser the padding of a prompt too, and draw differently',
    );
  }
  const modelHash = await hashModel(folder);
  const { measured, report } = await findMeasured(request, modelHash, progress);
  const isFile = source.adapter.endsWith('.safetensors');
  const metadata = exportMetadata(
    {
      model: modelName(folder),
      modelHash,
      sourceHash: isFile ? await sha256OfFile(source.adapter) : null,
      header: adapter.lora?.metadata ?? headerOf(source.adapter),
      target: configured(source, 'target'),
      measured,
      title: request.title,
    },
    model,
    adapter.softTokens === null ? 'lora' : 'textual-inversion',
  );
  signal.throwIfAborted();
  try {
    await write({ ...request, output }, { adapter, model, folder, format, metadata }, progress, signal);
  } catch (error) {
    signal.throwIfAborted();
    // What the system refuses is no wrong usage.
    if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw new UsageError((error as Error).message, { cause: error });
  }
  if (format === 'merged') openTextToImageModel(output, { prediction });
  else readAdapter(output, model);
  return { path: output, format, measured: report, metadata };
}

/** The path of what is written; diffusers may be given a folder, in which its file has one name. */
function outputOf({ output }: ExportRequest, format: ExportFormat): string {
  const isFile = output.endsWith('.safetensors');
  if (format === 'peft' || format === 'merged') {
    if (isFile) throw new UsageError(`--output ${output}: expected a folder for ${format}`);
    return output;
  }
  if (isFile) return output;
  if (format === 'diffusers') return path.join(output, DIFFUSERS_LORA_FILE);
  throw new UsageError(`--output ${output}: expected a file ending in .safetensors for ${format}`);
}

async function findMeasured(
  { source, evaluation }: ExportRequest,
  modelHash: string,
  progress: Progress,
): Promise<{ readonly measured: MeasuredAdapter | null; readonly report: string | null }> {
  const named = evaluation === undefined ? null : path.join(evaluation, 'report.json');
  if (named !== null && !existsSync(named)) {
    throw new UsageError(`--evaluation ${evaluation}: expected a folder with report.json, found none`);
  }
  for (const report of named === null ? source.reports : [named]) {
    const measured = await readMeasured(report, source.adapter, named !== null);
    if (measured === null) continue;
    if (measured.model === null || measured.model === `sha256:${modelHash}`) return { measured, report };
    if (named !== null) {
      throw new UsageError(
        `${report}: was measured on another model (${measured.model}) than this one (sha256:${modelHash})`,
      );
    }
    progress.note(`${report} is left out: it was measured on another model (${measured.model})`);
  }
  return { measured: null, report: null };
}

interface Writing {
  readonly adapter: Adapter;
  readonly model: TextToImageModel;
  readonly folder: string;
  readonly format: ExportFormat;
  readonly metadata: Readonly<Record<string, string>>;
}

async function write(
  { output, dtype, token, variant, prediction, replace }: ExportRequest,
  { adapter, model, folder, format, metadata }: Writing,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const elements = dtype && ({ float32: 'F32', float16: 'F16' } as const)[dtype];
  if (format === 'merged') {
    const onTensor = (step: number, steps: number) => progress.update({ task: 'merge', step, steps });
    const how = { dtype: elements, metadata, onTensor, signal, variant, prediction, replace };
    await writeMergedModel(folder, adapter, output, how);
    return;
  }
  mkdirSync(path.dirname(output), { recursive: true });
  const baseModel = metadata['evenhand.model'];
  writeAdapter(output, adapter, metadata, model, { format, dtype: elements, token, baseModel });
}
