/** Which files of a folder decide what a model computes. */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Folders of a diffusers directory whose files decide what is drawn. */
export const DRAWING_FOLDERS: readonly string[] = Object.freeze([
  ...['unet', 'vae', 'text_encoder', 'tokenizer', 'scheduler'],
]);

/** Weights, and the small files beside them that decide what the weights compute. */
const RELEVANT = /\.(safetensors|bin|onnx|ckpt|pt|json|txt)$/;

/**
 * A folder's own files of weights and configuration, in the order of their names; of a file, itself.
 * @throws Error from the file system where there is neither
 */
export function relevantFiles(at: string): string[] {
  if (statSync(at).isFile()) return [at];
  return readdirSync(at)
    .filter((name) => RELEVANT.test(name))
    .sort()
    .map((name) => path.join(at, name))
    .filter((file) => statSync(file).isFile());
}
