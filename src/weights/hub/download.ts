/** Models of the hub in the shared cache: found there, or brought there file by file. */

import { existsSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../json_file.ts';
import { makeFolder } from '../make_folder.ts';
import { askCommit, askFiles, type HubFile } from './api.ts';
import {
  blobFile,
  cachedCommit,
  filesOfSnapshot,
  linkIntoSnapshot,
  recordCommit,
  repositoryFolder,
  snapshotFolder,
} from './cache.ts';
import { HubError, type HubQuestion, unwritable } from './hub_error.ts';
import { formatHubId, type HubModel } from './hub_id.ts';
import { INDEX_FILE, neededFiles, unsupportedPipeline } from './pipeline_files.ts';
import type { HubSettings } from './settings.ts';
import { type TransferOptions, transferFile } from './transfer.ts';

/** How far a download is. */
export interface DownloadProgress {
  /** File that is being brought. */
  readonly path: string;
  /** Bytes of all needed files that are there, and their total. */
  readonly bytes: number;
  readonly total: number;
}

/** How to download. */
export interface DownloadOptions extends Pick<TransferOptions, 'signal' | 'retryDelay'> {
  /** Weights to take where there are several: `fp16`; the plain ones if not given. */
  readonly variant?: string | undefined;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Bytes that a folder's disk still takes; asked of the system if not given. */
  readonly freeBytes?: (folder: string) => number;
}

/** A model in the cache. */
export interface DownloadedModel {
  /** Folder in diffusers layout. */
  readonly folder: string;
  /** Commit that its files belong to. */
  readonly commit: string;
  /** Number of its files, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Bytes that were not there before. */
  readonly received: number;
}

/** What a search of the cache found: the folder of a whole model, or why there is none. */
export type CacheSearch =
  | { readonly folder: string; readonly commit: string }
  | { readonly folder: null; readonly reason: string };

/** Looks for a model in the cache alone; one that lacks a needed file does not count. */
export function findInCache(
  model: HubModel,
  { cache }: Pick<HubSettings, 'cache'>,
  variant?: string,
): CacheSearch {
  const repository = repositoryFolder(cache, model);
  const absent = (reason: string) => ({ folder: null, reason });
  if (!existsSync(repository)) return absent(`there is no ${repository}`);
  const commit = cachedCommit(repository, model.revision);
  if (commit === null) return absent(`${repository} knows no revision ${model.revision}`);
  const folder = snapshotFolder(repository, commit);
  const { missing } = neededFiles(filesOfSnapshot(folder), variant);
  return missing.length === 0 ? { folder, commit } : absent(`${folder} lacks ${missing.join('; ')}`);
}

/**
 * Folder of a model: out of the cache where it is there as a whole, whatever the hub has by now, else downloaded.
 * @throws HubError as {@link downloadModel} does
 */
export async function cachedModel(
  model: HubModel,
  settings: HubSettings,
  options: DownloadOptions = {},
): Promise<string> {
  const found = findInCache(model, settings, options.variant);
  return found.folder ?? (await downloadModel(model, settings, options)).folder;
}

/**
 * Brings the needed files of a model into the cache, each under the hash of its content, and links them into a snapshot, as
 * huggingface_hub does; files that are there stay. The branch or tag is recorded last, when everything is there.
 * @throws HubError when the hub cannot be reached (or must not be), refuses, lacks a file, sends a wrong one, or the disk is too
 * small; the signal's reason once it is raised
 */
export async function downloadModel(
  model: HubModel,
  settings: HubSettings,
  options: DownloadOptions = {},
): Promise<DownloadedModel> {
  const question: HubQuestion = { model, settings };
  const { signal, variant } = options;
  if (settings.offline) return offlineModel(question, variant);
  signal?.throwIfAborted();
  const commit = await askCommit(question, options);
  const listed = await askFiles(question, commit, options);
  const repository = repositoryFolder(settings.cache, model);
  const folder = snapshotFolder(repository, commit);
  const bring = bringer(question, commit, repository, options);
  const index = listed.find(({ path }) => path === INDEX_FILE);
  if (index === undefined) throw noPipeline(question, listed);
  const first = await bring([index]);
  const unsupported = unsupportedPipeline(readJsonObject(join(folder, INDEX_FILE)));
  if (unsupported !== null) throw new HubError(`${formatHubId(model)}: ${unsupported}`);
  const needed = neededFiles(
    listed.map(({ path }) => path),
    variant,
  );
  if (needed.missing.length > 0) throw lacks(question, needed.missing);
  const byPath = new Map(listed.map((file) => [file.path, file]));
  const files = needed.files.map((path) => byPath.get(path)!);
  const received = first + (await bring(files, options.onProgress));
  recordCommit(repository, model.revision, commit);
  return Object.freeze({ folder, commit, files: files.length, bytes: totalOf(files), received });
}

function totalOf(files: readonly HubFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** A function that brings files into the cache and says how many bytes it received. */
function bringer(question: HubQuestion, commit: string, repository: string, options: DownloadOptions) {
  const { signal, retryDelay, freeBytes = freeBytesOf } = options;
  const folder = snapshotFolder(repository, commit);
  const partOf = ({ hash, size }: HubFile): number => {
    const part = statSync(`${blobFile(repository, hash)}.incomplete`, { throwIfNoEntry: false })?.size ?? 0;
    return part > size ? 0 : part;
  };
  const isWhole = (at: string, size: number) => statSync(at, { throwIfNoEntry: false })?.size === size;
  const hasBlob = ({ hash, size }: HubFile) => isWhole(blobFile(repository, hash), size);
  return async function bring(
    files: readonly HubFile[],
    onProgress?: DownloadOptions['onProgress'],
  ): Promise<number> {
    try {
      makeFolder(repository);
    } catch (error) {
      throw unwritable(repository, error as NodeJS.ErrnoException);
    }
    const missing = files.filter(({ path, size }) => !isWhole(join(folder, path), size));
    const total = totalOf(files);
    const left = missing
      .filter((file) => !hasBlob(file))
      .reduce((sum, file) => sum + file.size - partOf(file), 0);
    checkSpace(repository, left, freeBytes);
    let done = total - totalOf(missing);
    for (const file of missing) {
      const blob = blobFile(repository, file.hash);
      const before = done;
      const onBytes = (bytes: number) => onProgress?.({ path: file.path, bytes: before + bytes, total });
      if (!hasBlob(file)) {
        await transferFile(question, commit, file, blob, { signal, retryDelay, onBytes });
      }
      try {
        linkIntoSnapshot(blob, join(folder, file.path));
      } catch (error) {
        throw unwritable(join(folder, file.path), error as NodeJS.ErrnoException);
      }
      done += file.size;
      onBytes(file.size);
    }
    return left;
  };
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function checkSpace(folder: string, needed: number, freeBytes: (folder: string) => number): void {
  if (needed === 0) return;
  const free = freeBytes(folder);
  if (free >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  throw new HubError(
    `${folder}: the download needs ${gigabytes(needed)}, the disk has ${gigabytes(free)} left; free space, or give another cache ` +
      'with --cache or HF_HUB_CACHE',
  );
}

/** The cached model, where the network must not be used. */
function offlineModel({ model, settings }: HubQuestion, variant: string | undefined): DownloadedModel {
  const found = findInCache(model, settings, variant);
  if (found.folder === null) {
    throw new HubError(
      `${formatHubId(model)}: is not in the cache as a whole, and HF_HUB_OFFLINE forbids the network: ${found.reason}; ` +
        'unset HF_HUB_OFFLINE, or name the right cache in HF_HUB_CACHE',
    );
  }
  const { files } = neededFiles(filesOfSnapshot(found.folder), variant);
  const bytes = files.reduce((sum, path) => sum + statSync(join(found.folder, path)).size, 0);
  return Object.freeze({ ...found, files: files.length, bytes, received: 0 });
}

function noPipeline({ model }: HubQuestion, files: readonly HubFile[]): HubError {
  const single = files.map(({ path }) => path).filter((path) => /^[^/]+\.safetensors$/.test(path));
  const advice =
    single.length > 0
      ? `; for a single-file checkpoint (${single.join(', ')}) download the file and give its path`
      : '';
  return new HubError(`${formatHubId(model)}: has no ${INDEX_FILE}, so it is no diffusers pipeline${advice}`);
}

function lacks({ model, settings }: HubQuestion, missing: readonly string[]): HubError {
  const advice = missing.some((text) => text.includes('pickled'))
    ? `; look for a revision with safetensors (${settings.endpoint}/${model.id}/discussions often has a pull request with them: ` +
      `${model.id}@refs/pr/NUMBER), or convert the model (in diffusers: pipeline.save_pretrained(folder, safe_serialization=True))`
    : '';
  return new HubError(`${formatHubId(model)}: lacks ${missing.join('; ')}${advice}`);
}
