/** Models of the Hugging Face hub for commands: out of the cache, or downloaded with progress. */

import { type DownloadedModel, downloadModel, findInCache } from '../weights/hub/download.ts';
import { HubError } from '../weights/hub/hub_error.ts';
import { formatHubId, type HubModel, parseHubId } from '../weights/hub/hub_id.ts';
import { type HubSettings, hubSettings } from '../weights/hub/settings.ts';
import { Failure } from './errors.ts';
import { formatBytes, localModel } from './models.ts';
import type { Progress } from './progress.ts';

/** Bytes of the units that progress is counted in. */
const MEGABYTE = 1e6;

/**
 * Downloads a model with progress, in megabytes with the time left.
 * @throws Failure saying what went wrong and what to do; or the signal's reason
 */
export async function downloadWithProgress(
  model: HubModel,
  settings: HubSettings,
  variant: string | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<DownloadedModel> {
  const task = `download ${formatHubId(model)} (MB)`;
  const onProgress = ({ bytes, total }: { readonly bytes: number; readonly total: number }) => {
    const steps = Math.max(1, Math.round(total / MEGABYTE));
    const step = bytes === total ? steps : Math.min(steps - 1, Math.floor(bytes / MEGABYTE));
    progress.update({ task, step, steps });
  };
  try {
    return await downloadModel(model, settings, { variant, onProgress, signal });
  } catch (error) {
    if (error instanceof HubError) throw new Failure(error.message, { cause: error });
    throw error;
  } finally {
    progress.finish();
  }
}

/**
 * Sees to it that a model named by its hub id is in the cache; models of other names are left to
 * {@link resolveModel}, which also gives the folder afterwards.
 * @param variant weights to download: `fp16`
 * @throws Failure as {@link downloadWithProgress} does
 */
export async function fetchModel(
  name: string | undefined,
  progress: Progress,
  signal: AbortSignal,
  variant?: string,
): Promise<void> {
  if (name === undefined || localModel(name) !== null) return;
  const model = parseHubId(name);
  if (model === null) return;
  const settings = hubSettings();
  if (findInCache(model, settings, variant).folder !== null) return;
  progress.note(`${name} is not on this machine: asking ${settings.endpoint}`);
  const { folder, received } = await downloadWithProgress(model, settings, variant, progress, signal);
  progress.note(`${formatBytes(received)} downloaded to ${folder}`);
}
