/** The server's task `exportAdapter`: an adapter in another format, with what the server knows of it in the header. */

import path from 'node:path';
import type { TaskContext } from '../../cluster/worker_process.ts';
import { ExportRefused, exportAdapter } from '../../evaluate/export/export_adapter.ts';
import type { ExportFormat } from '../../evaluate/export/formats.ts';
import { isFolderFormat } from '../../evaluate/export/formats.ts';
import type { ExportInput, ExportOutput } from '../../server/jobs/tasks.ts';
import { hashModel, modelName } from '../models.ts';
import { packageVersion } from '../package.ts';

/** Name of what is written: the adapter's, with format and element type where it is not the one that programs expect. */
export function exportedName(name: string, format: ExportFormat, dtype: string | undefined): string {
  const isUsual = format === 'kohya' || format === 'textual-inversion';
  const stem = [name, ...(isUsual ? [] : [format]), ...(dtype === 'float16' ? ['float16'] : [])].join('-');
  return isFolderFormat(format) ? stem : `${stem}.safetensors`;
}

/** Makes the task; hashes of models stay from one call to the next. */
export function createExporting(): (
  input: ExportInput,
  context: Pick<TaskContext<never>, 'signal'>,
) => Promise<ExportOutput> {
  const hashes = new Map<string, Promise<string>>();
  const hashOf = (folder: string): Promise<string> => {
    const hash = hashes.get(folder) ?? hashModel(folder);
    hashes.set(folder, hash);
    return hash;
  };
  return async function exportTask(input, { signal }) {
    const { modelFolder, name, folder, format, dtype, token, target, reports } = input;
    try {
      const done = await exportAdapter(
        {
          adapter: input.adapterFile,
          model: { name: modelName(modelFolder), folder: modelFolder, hash: () => hashOf(modelFolder) },
          outputOf: (chosen) => path.join(folder, exportedName(name, chosen, dtype)),
          ...{ format, dtype, token, reports, title: name, version: packageVersion(), replace: false },
          ...(target === null ? {} : { target }),
        },
        { signal, note() {}, onTensor() {} },
      );
      const report = done.measured === null ? null : reports.indexOf(done.measured);
      return { format: done.format, written: path.basename(done.path), report };
    } catch (error) {
      const message = withoutPaths((error as Error).message, input);
      if (error instanceof ExportRefused) return { refused: message };
      throw new Error(message, { cause: error });
    }
  };
}

/** A message without the places of the server's files. */
function withoutPaths(message: string, { adapterFile, modelFolder, folder }: ExportInput): string {
  return message
    .replaceAll(`${folder}${path.sep}`, '')
    .replaceAll(adapterFile, 'the adapter')
    .replaceAll(modelFolder, 'the model');
}
