/** Puts together a text-to-image model folder from the fixtures: untrained and tiny, but whole. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { clipVocabularyFiles } from '../src/text/bpe_vocabulary.ts';

const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));

/** Components of the fixtures that fit together: latents of 4 channels, conditions of width 32. */
const COMPONENTS = Object.freeze({
  unet: 'unet/sd1-l1',
  vae: 'vae/sd1-l1',
  text_encoder: 'clip-text/quick_gelu',
});

/** The fixtures' text encoder has 1000 tokens: 512 bytes, 2 special tokens and so many merges. */
const MERGES = 486;

/** Writes the model into `folder`: images of 16x16 pixels, latents of 8x8. */
export function writeTinyModel(folder: string): void {
  for (const [component, source] of Object.entries(COMPONENTS)) {
    const from = path.join(fixtures, source);
    const isPart = (file: string) => !/case/.test(path.basename(file));
    cpSync(from, path.join(folder, component), { recursive: true, filter: isPart });
  }
  const packed = readFileSync(path.join(fixtures, 'clip-tokenizer/bpe_simple_vocab_16e6.txt.gz'));
  const { vocabJson, mergesTxt } = clipVocabularyFiles(gunzipSync(packed).toString('utf8'), MERGES);
  write(folder, 'tokenizer/vocab.json', vocabJson);
  write(folder, 'tokenizer/merges.txt', mergesTxt);
  write(
    folder,
    'scheduler/scheduler_config.json',
    JSON.stringify({
      _class_name: 'PNDMScheduler',
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      skip_prk_steps: true,
      steps_offset: 1,
    }),
  );
  write(
    folder,
    'model_index.json',
    JSON.stringify({
      _class_name: 'StableDiffusionPipeline',
      scheduler: ['diffusers', 'PNDMScheduler'],
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      safety_checker: [null, null],
    }),
  );
}

function write(folder: string, name: string, text: string): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
