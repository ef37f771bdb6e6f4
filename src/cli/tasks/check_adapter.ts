/** The server's task `checkAdapter`: reads an adapter that was sent, apart from the process that answers requests. */

import path from 'node:path';
import { readAdapter } from '../../diffusion/adapter_file.ts';
import { openTextToImageModel } from '../../diffusion/model.ts';
import type { CheckAdapterInput, CheckAdapterOutput } from '../../server/jobs/tasks.ts';
import { openSafetensors } from '../../weights/safetensors.ts';

/**
 * Reads header and tensors of an adapter for a model.
 * @throws Error saying what is wrong with the file, without the server's path of it
 */
export async function checkAdapterTask({
  file,
  modelFolder,
}: CheckAdapterInput): Promise<CheckAdapterOutput> {
  try {
    const { metadata } = openSafetensors(file);
    readAdapter(file, openTextToImageModel(modelFolder));
    return { metadata: { ...metadata } };
  } catch (error) {
    const { message } = error as Error;
    throw new Error(message.replaceAll(path.resolve(file), 'the file'), { cause: error });
  }
}
