/** Features of images and texts by encoders: CLIP and DINOv2, for similarities and distances. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ImageBatch } from '../faces/index.ts';
import { compileBatched, DEFAULT_BATCH_SIZE } from '../faces/index.ts';
import { openModelFolder } from '../faces/model_folder.ts';
import { createImageEncodings, loadClipImageEncoder, loadDinoImageEncoder } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import type { ClipTextConfig } from '../models/clip_text.ts';
import { clipText, parseClipTextConfig } from '../models/clip_text.ts';
import { loadClipTokenizer } from '../text/clip_tokenizer.ts';

/** Encoders that run. */
export interface ImageFeatures {
  /** Lengths of the features by encoder: `clip` and `dino`, those that there are. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Features of images [N, dimension] by encoder. */
  encodeImages(images: ImageBatch): Promise<Record<string, Float32Array>>;
  /** CLIP's embeddings of texts [N, dimension of `clip`]; null where its folder has no text half. */
  readonly encodeTexts: ((texts: readonly string[]) => Promise<Float32Array>) | null;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** Folders of the encoders; null leaves one out. */
export interface FeatureFolders {
  /** CLIP; its own tokenizer is used where the folder has one. */
  readonly clip: string | null;
  /** DINOv2. */
  readonly dino: string | null;
  /** Tokenizer of CLIP's text half where the CLIP folder has none. */
  readonly tokenizer: string | null;
}

/**
 * Opens the encoders.
 * @throws Error naming the file that is missing or wrong
 */
export function loadImageFeatures(runtime: Runtime, folders: FeatureFolders): ImageFeatures {
  const { clip, dino, tokenizer } = folders;
  const encoders = [
    ...(clip === null ? [] : [loadClipImageEncoder(clip)]),
    ...(dino === null ? [] : [loadDinoImageEncoder(dino)]),
  ];
  const encodings = createImageEncodings(runtime, encoders);
  const text = clip === null ? null : textEncoder(runtime, clip, tokenizer);
  return Object.freeze({
    dimensions: Object.fromEntries(encoders.map(({ name, dimension }) => [name, dimension])),
    encodeImages: encodings.encode,
    encodeTexts: text?.encode ?? null,
    async release() {
      await encodings.release();
      await text?.release();
    },
  });
}

/** Sizes that transformers assumes where a CLIP configuration leaves them out. */
const TEXT_DEFAULTS = Object.freeze({
  vocab_size: 49_408,
  hidden_size: 512,
  intermediate_size: 2048,
  num_hidden_layers: 12,
  num_attention_heads: 8,
});

const wholeSchema = z.looseObject({
  projection_dim: z.int().positive().default(512),
  text_config: z.looseObject({}),
});

function parseTextHalf(json: unknown): { readonly text: ClipTextConfig; readonly projection: number } | null {
  const whole = wholeSchema.safeParse(json);
  if (!whole.success) return null;
  const text = parseClipTextConfig({ ...TEXT_DEFAULTS, ...whole.data.text_config });
  return { text, projection: whole.data.projection_dim };
}

/** CLIP's text half with its projection; null where the folder holds the image half alone. */
function textEncoder(runtime: Runtime, folder: string, otherTokenizer: string | null) {
  const { config, parameters } = openModelFolder(folder, parseTextHalf);
  if (config === null || !parameters.has('text_projection.weight')) return null;
  const { text, projection } = config;
  const own = ['vocab.json', 'tokenizer.json'].some((name) => existsSync(path.join(folder, name)));
  const tokenizerFolder = own ? folder : otherTokenizer;
  if (tokenizerFolder === null) return null;
  const tokenizer = loadClipTokenizer(tokenizerFolder);
  if (tokenizer.vocabularySize > text.vocab_size) {
    throw new Error(
      `${folder}: expected a tokenizer of at most ${text.vocab_size} tokens, received ` +
        `${tokenizer.vocabularySize} in ${tokenizerFolder}`,
    );
  }
  const length = text.max_position_embeddings;
  const embeddings = (batch: number) => {
    const ids = input('ids', [batch, length], 'int64');
    const pooled = clipText(text, parameters, { ids }).poolerOutput!;
    const shape = { inputs: text.hidden_size, outputs: projection, bias: false };
    return { embeddings: parameters.linear(pooled, 'text_projection', shape) };
  };
  embeddings(1);
  let graph: ReturnType<typeof compileBatched> | null = null;
  return {
    async encode(texts: readonly string[]): Promise<Float32Array> {
      graph ??= compileBatched(runtime, DEFAULT_BATCH_SIZE, embeddings);
      const ids = BigInt64Array.from(
        texts.flatMap((each) => tokenizer.encode(each, { maxLength: length }).ids),
        BigInt,
      );
      return (await (await graph).run(texts.length, { ids })).embeddings as Float32Array;
    },
    async release() {
      if (graph !== null) await (await graph).release();
      graph = null;
    },
  };
}
