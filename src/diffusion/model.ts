/** A text-to-image model opened from its files. */

import type { ClipTokenizer } from '../text/clip_tokenizer.ts';
import { loadClipTokenizer } from '../text/clip_tokenizer.ts';
import { clipTokenizer } from '../text/clip_vocabulary.ts';
import type { StoredModelOptions, StoredTokenizer } from '../weights/stored_model.ts';
import { openStoredModel } from '../weights/stored_model.ts';
import type { TextToImageModel } from './assemble_model.ts';
import { assembleTextToImageModel } from './assemble_model.ts';

export type { ModelPart, TextToImageModel } from './assemble_model.ts';
export { DEFAULT_GUIDANCE_SCALE } from './assemble_model.ts';

/**
 * Opens a Stable Diffusion 1.x or 2.x model: a directory in diffusers layout or a single-file checkpoint.
 *
 * A directory may name `guidance_scale` in model_index.json; diffusers ignores the field.
 * @throws Error naming the component or field when something is missing or unsupported, and listing weights that are missing,
 * left over or of another shape
 */
export function openTextToImageModel(path: string, options: StoredModelOptions = {}): TextToImageModel {
  const opened = openStoredModel(path, options);
  const textEncoder = opened.openModel('text_encoder');
  const unet = opened.openModel('unet');
  const vae = opened.openModel('vae');
  return assembleTextToImageModel({
    path: opened.path,
    textEncoder,
    unet,
    vae,
    schedulerFile: opened.schedulerConfig(),
    guidanceScale: opened.settings.guidance_scale,
    tokenizer: openTokenizer(opened.tokenizer),
  });
}

function openTokenizer(stored: StoredTokenizer): ClipTokenizer {
  return 'folder' in stored ? loadClipTokenizer(stored.folder) : clipTokenizer(stored.padToken);
}
