/** One number for a model's weights. */

import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { sha256OfFile } from './provenance.ts';

/** Hexadecimal SHA-256 over the U-Net's weight files, or over a single-file checkpoint: what tells two models of one layout apart. */
export async function hashModel(folder: string): Promise<string> {
  if (statSync(folder).isFile()) return sha256OfFile(folder);
  const unet = path.join(folder, 'unet');
  const files = readdirSync(unet)
    .filter((name) => name.endsWith('.safetensors'))
    .sort();
  if (files.length === 1) return sha256OfFile(path.join(unet, files[0]!));
  const hash = createHash('sha256');
  for (const name of files) hash.update(await sha256OfFile(path.join(unet, name)));
  return hash.digest('hex');
}
