/** Carries out an export: reads an adapter with its model, writes it in another format, and reads that back. */

import path from 'node:path';
import type { Adapter } from '../../diffusion/adapter.ts';
import { readAdapter, writeAdapter } from '../../diffusion/adapter_file.ts';
import { writeMergedModel } from '../../diffusion/merged_model.ts';
import type { TextToImageModel } from '../../diffusion/model.ts';
import { openTextToImageModel } from '../../diffusion/model.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import type { StoredModelOptions } from '../../weights/stored_model.ts';
import { sha256OfFile } from '../provenance.ts';
import type { ExportDtype, ExportFormat } from './formats.ts';
import type { MeasuredAdapter } from './measured.ts';
import { headerOf, readMeasured } from './measured.ts';
import { exportMetadata } from './metadata.ts';

/** What was asked for cannot be: the adapter does not fit the format or the element type, or a report is about another one. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused';
}

/** The model that an exported adapter belongs to. */
export interface ExportedModel extends Pick<StoredModelOptions, 'variant' | 'prediction'> {
  readonly name: string;
  /** Folder in diffusers layout, or a single-file checkpoint. */
  readonly folder: string;
  /** Hash of its weights as `hashModel` gives it; asked for once. */
  readonly hash: () => Promise<string>;
}

/** What to export, and where to. */
export interface ExportRequest {
  /** A `.safetensors` file, or a folder of PEFT or diffusers. */
  readonly adapter: string;
  readonly model: ExportedModel;
  /** `kohya`, of soft tokens `textual-inversion`, if not given. */
  readonly format?: ExportFormat | undefined;
  /** Path of the file or folder that is written; what it throws ends the export. */
  readonly outputOf: (format: ExportFormat) => string;
  /** `float32` if not given; of merged models as they are stored. */
  readonly dtype?: ExportDtype | undefined;
  /** Name of soft tokens. */
  readonly token?: string | undefined;
  readonly title: string;
  /** What the adapter was trained for; what its own header says if not given. */
  readonly target?: unknown;
  /** Reports that may be about it, the likeliest first. */
  readonly reports: readonly string[];
  /** Whether the reports were named for it, so that one about another adapter or model is an error. */
  readonly reportsMustMatch?: boolean | undefined;
  /** Version of this program. */
  readonly version: string;
  /** Whether what is at the output may go. */
  readonly replace: boolean;
}

/** Who hears of an export on its way, and ends it. */
export interface ExportWatcher {
  readonly signal: AbortSignal;
  note(text: string): void;
  /** Tensor `step` of `steps` of a merged model is written. */
  onTensor(step: number, steps: number): void;
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
 * @throws ExportRefused saying what does not fit; Error when a file is damaged or cannot be written; or the signal's reason
 */
export async function exportAdapter(request: ExportRequest, watcher: ExportWatcher): Promise<ExportResult> {
  const { folder, name, variant, prediction } = request.model;
  const model = openTextToImageModel(folder, { variant, prediction });
  const adapter = readAdapter(request.adapter, model);
  const isTokens = adapter.softTokens !== null;
  const format = request.format ?? (isTokens ? 'textual-inversion' : 'kohya');
  const output = request.outputOf(format);
  const modelHash = await request.model.hash();
  const { measured, report } = await refusing(watcher.signal, () =>
    findMeasured(request, modelHash, watcher.note),
  );
  const isFile = request.adapter.endsWith('.safetensors');
  const facts = {
    version: request.version,
    model: name,
    modelHash,
    sourceHash: isFile ? await sha256OfFile(request.adapter) : null,
    header: adapter.lora?.metadata ?? headerOf(request.adapter),
    target: request.target,
    measured,
    title: request.title,
  };
  const metadata = exportMetadata(facts, model, isTokens ? 'textual-inversion' : 'lora');
  watcher.signal.throwIfAborted();
  await refusing(watcher.signal, () => write(request, { adapter, model, output, format, metadata }, watcher));
  if (format === 'merged') openTextToImageModel(output, { prediction });
  else readAdapter(output, model);
  return { path: output, format, measured: report, metadata };
}

/** Does something of which every fault but the system's own says that the request does not fit. */
async function refusing<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw new ExportRefused((error as Error).message, { cause: error });
  }
}

async function findMeasured(
  { adapter, reports, reportsMustMatch = false }: ExportRequest,
  modelHash: string,
  note: (text: string) => void,
): Promise<{ readonly measured: MeasuredAdapter | null; readonly report: string | null }> {
  for (const report of reports) {
    const measured = await readMeasured(report, adapter, reportsMustMatch);
    if (measured === null) continue;
    if (measured.model === null || measured.model === `sha256:${modelHash}`) return { measured, report };
    if (reportsMustMatch) {
      throw new Error(
        `${report}: was measured on another model (${measured.model}) than this one (sha256:${modelHash})`,
      );
    }
    note(`${report} is left out: it was measured on another model (${measured.model})`);
  }
  return { measured: null, report: null };
}

interface Writing {
  readonly adapter: Adapter;
  readonly model: TextToImageModel;
  readonly output: string;
  readonly format: ExportFormat;
  readonly metadata: Readonly<Record<string, string>>;
}

async function write(
  { model: { folder, variant, prediction }, dtype, token, replace }: ExportRequest,
  { adapter, model, output, format, metadata }: Writing,
  { signal, onTensor }: ExportWatcher,
): Promise<void> {
  const elements = dtype && ({ float32: 'F32', float16: 'F16' } as const)[dtype];
  if (format === 'merged') {
    const how = { dtype: elements, metadata, onTensor, signal, variant, prediction, replace };
    await writeMergedModel(folder, adapter, output, how);
    return;
  }
  makeFolder(path.dirname(output));
  const baseModel = metadata['evenhand.model'];
  writeAdapter(output, adapter, metadata, model, { format, dtype: elements, token, baseModel });
}
