/**
 * The cache that Hugging Face's libraries share ("Understand caching" in huggingface_hub's documentation): files by the hash of
 * their content in `blobs`, links to them by commit and path in `snapshots`, and commits by branch or tag in `refs`.
 */

import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { writeTextAtomically } from '../atomic_file.ts';
import { makeFolder } from '../make_folder.ts';
import type { HubModel } from './hub_id.ts';

const COMMIT = /^[0-9a-f]{40}$/;
/** A snapshot's folder, as a path of either system. */
const SNAPSHOT = /[/\\]models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/;

/** Whether a text is the full name of a commit. */
export function isCommit(text: unknown): text is string {
  return typeof text === 'string' && COMMIT.test(text);
}

/** Folder of everything that is cached of a model. */
export function repositoryFolder(cache: string, { id }: Pick<HubModel, 'id'>): string {
  return join(cache, `models--${id.replace('/', '--')}`);
}

/** Folder with the files of one commit under their own names. */
export function snapshotFolder(repository: string, commit: string): string {
  return join(repository, 'snapshots', commit);
}

/** File with the content of a hash: a SHA-256, or the hash that git gives a file. */
export function blobFile(repository: string, hash: string): string {
  return join(repository, 'blobs', hash);
}

/** The model and commit that a snapshot's folder belongs to; null for any other folder. */
export function modelOfSnapshot(folder: string): { readonly id: string; readonly commit: string } | null {
  const [, organisation, name, commit] = SNAPSHOT.exec(folder) ?? [];
  return commit === undefined ? null : { id: `${organisation}/${name}`, commit };
}

/** The commit of a revision as far as the cache knows; null if it does not. */
export function cachedCommit(repository: string, revision: string): string | null {
  if (isCommit(revision)) return existsSync(snapshotFolder(repository, revision)) ? revision : null;
  const file = join(repository, 'refs', revision);
  if (!existsSync(file) || !statSync(file).isFile()) return null;
  const commit = readFileSync(file, 'utf8').trim();
  return isCommit(commit) ? commit : null;
}

/** Records which commit a branch or tag is. */
export function recordCommit(repository: string, revision: string, commit: string): void {
  if (revision === commit) return;
  const file = join(repository, 'refs', revision);
  makeFolder(dirname(file));
  writeTextAtomically(file, commit);
}

/** Paths below a snapshot's folder, with `/`, of the files whose content is there; empty when there is no such folder. */
export function filesOfSnapshot(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .map((file) => relative(folder, file).replaceAll('\\', '/'));
}

/**
 * Puts a blob into a snapshot under a file's name: a relative symbolic link, so that the cache may be moved as a whole; where the
 * system allows none (Windows without developer mode) a hard link, else a copy.
 * @param place joins the two files; given by tests
 */
export function linkIntoSnapshot(blob: string, file: string, place = symlinkSync): void {
  makeFolder(dirname(file));
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    try {
      place(relative(dirname(file), blob), temporary);
    } catch {
      try {
        linkSync(blob, temporary);
      } catch {
        copyFileSync(blob, temporary);
      }
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
