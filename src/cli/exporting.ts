/** An export as the command line asks for it: what it leaves open taken from the adapter's run and from the files near it. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ExportResult } from '../evaluate/export/export_adapter.ts';
import { ExportRefused, exportAdapter } from '../evaluate/export/export_adapter.ts';
import type { ExportDtype, ExportFormat } from '../evaluate/export/formats.ts';
import { isFolderFormat } from '../evaluate/export/formats.ts';
import type { PredictionType } from '../weights/ldm/prediction.ts';
import { DIFFUSERS_LORA_FILE } from '../weights/lora_reader.ts';
import { UsageError } from './errors.ts';
import type { ExportSource } from './export_source.ts';
import { configured } from './export_source.ts';
import { hashModel, modelName, resolveModel } from './models.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';

/** What to export, and where to. */
export interface ExportOrder {
  readonly source: ExportSource;
  /** Absolute path. */
  readonly output: string;
  readonly format?: ExportFormat | undefined;
  readonly dtype?: ExportDtype | undefined;
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

/**
 * Writes an adapter in another format, and checks that it can be read back.
 * @param fetch sees to it that a model of the hub is on this machine
 * @throws UsageError naming the option that does not fit; or the signal's reason
 */
export async function carryOutExport(
  order: ExportOrder,
  progress: Progress,
  signal: AbortSignal,
  fetch: (name: string) => Promise<void>,
): Promise<ExportResult> {
  const { source, variant, prediction, format, dtype, token, title, replace } = order;
  const ofRun = configured(source, 'model');
  const name = order.model ?? (typeof ofRun === 'string' ? ofRun : undefined);
  if (name !== undefined) await fetch(name);
  const folder = resolveModel(name, variant);
  const named = namedReport(order);
  const request = {
    adapter: source.adapter,
    model: { name: modelName(folder), folder, hash: () => hashModel(folder), variant, prediction },
    outputOf(chosen: ExportFormat) {
      const output = outputOf(order, chosen);
      if (configured(source, 'textContext') === 'masked') progress.note(MASKED);
      return output;
    },
    ...{ format, dtype, token, title, replace },
    target: configured(source, 'target'),
    reports: named === null ? source.reports : [named],
    reportsMustMatch: named !== null,
    version: packageVersion(),
  };
  const watcher = {
    signal,
    note: progress.note,
    onTensor: (step: number, steps: number) => progress.update({ task: 'merge', step, steps }),
  };
  try {
    return await exportAdapter(request, watcher);
  } catch (error) {
    if (error instanceof ExportRefused) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

const MASKED =
  'trained with textContext masked: other programs show the denoiser the padding of a prompt too, and draw differently';

/** The path of what is written; diffusers may be given a folder, in which its file has one name. */
function outputOf({ output }: ExportOrder, format: ExportFormat): string {
  const isFile = output.endsWith('.safetensors');
  if (isFolderFormat(format)) {
    if (isFile) throw new UsageError(`--output ${output}: expected a folder for ${format}`);
    return output;
  }
  if (isFile) return output;
  if (format === 'diffusers') return path.join(output, DIFFUSERS_LORA_FILE);
  throw new UsageError(`--output ${output}: expected a file ending in .safetensors for ${format}`);
}

/** The report of the option `--evaluation`; null without it. */
function namedReport({ evaluation }: ExportOrder): string | null {
  if (evaluation === undefined) return null;
  const report = path.join(evaluation, 'report.json');
  if (existsSync(report)) return report;
  throw new UsageError(`--evaluation ${evaluation}: expected a folder with report.json, found none`);
}
