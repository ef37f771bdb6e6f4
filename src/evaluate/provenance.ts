/** Which weights took part: every file by its SHA-256. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { sha256OfFile } from '../weights/file_digest.ts';
import { relevantFiles } from '../weights/relevant_files.ts';

export { sha256OfFile } from '../weights/file_digest.ts';

/** A file that results depend on. */
export interface ProvenanceFile {
  /** What it was for: `model`, `adapter`, `detector`, `classifier`, `clip`, `dino`. */
  readonly role: string;
  /** Path below the folder that was hashed, with `/`. */
  readonly file: string;
  /** Bytes. */
  readonly bytes: number;
  /** Hexadecimal SHA-256. */
  readonly sha256: string;
}

/**
 * Weights and configurations of a folder, or of a single file, in the order of their names.
 * @param role what they were for
 * @param at folder or file
 * @param parts names of sub-folders to look into; the folder's own files alone when left out
 * @throws Error when there is no such folder or file
 */
export async function provenanceOf(
  role: string,
  at: string,
  parts: readonly string[] = ['.'],
): Promise<ProvenanceFile[]> {
  if (!existsSync(at)) throw new Error(`${role}: expected a file or folder ${at}, found none`);
  const folders = statSync(at).isFile() ? [at] : parts.map((part) => path.join(at, part)).filter(existsSync);
  const files = folders.flatMap(relevantFiles);
  const base = statSync(at).isFile() ? path.dirname(at) : at;
  const described: ProvenanceFile[] = [];
  for (const file of files) {
    described.push({
      role,
      file: path.relative(base, file).split(path.sep).join('/'),
      bytes: statSync(file).size,
      sha256: await sha256OfFile(file),
    });
  }
  return described;
}
