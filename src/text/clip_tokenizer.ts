/** Loads the tokenizer of CLIP from the files of a model's `tokenizer` folder. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, type JsonObject, readJsonObject } from '../weights/json_file.ts';
import { parseMerges } from './bpe_vocabulary.ts';
import type { ClipTokenizer, ClipTokenizerParts } from './create_clip_tokenizer.ts';
import { createClipTokenizer } from './create_clip_tokenizer.ts';

export type { ClipTokenizer, ClipTokenizerParts, EncodedPrompt } from './create_clip_tokenizer.ts';
export { createClipTokenizer } from './create_clip_tokenizer.ts';

/** A special token is written as its text or as an object with its text in `content`. */
function specialToken(configs: readonly JsonObject[], field: string): string | undefined {
  for (const config of configs) {
    const value = config[field];
    const text = isJsonObject(value) ? value.content : value;
    if (typeof text === 'string') return text;
  }
  return undefined;
}

/**
 * Vocabulary and merges from `vocab.json` and `merges.txt`, or from a `tokenizer.json` where a folder has
 * only that.
 */
function readVocabulary(directory: string): Pick<ClipTokenizerParts, 'vocabulary' | 'merges'> {
  const vocabularyPath = join(directory, 'vocab.json');
  const mergesPath = join(directory, 'merges.txt');
  if (existsSync(vocabularyPath) && existsSync(mergesPath)) {
    const vocabulary = readJsonObject(vocabularyPath) as Record<string, number>;
    return { vocabulary, merges: parseMerges(readFileSync(mergesPath, 'utf8')) };
  }
  const definitionPath = join(directory, 'tokenizer.json');
  if (!existsSync(definitionPath)) {
    throw new Error(
      `${directory}: expected a tokenizer with vocab.json and merges.txt, or with tokenizer.json`,
    );
  }
  const { model } = readJsonObject(definitionPath);
  if (
    !isJsonObject(model) ||
    model.type !== 'BPE' ||
    !isJsonObject(model.vocab) ||
    !Array.isArray(model.merges)
  ) {
    throw new Error(`${definitionPath}: model: expected a BPE model with vocab and merges`);
  }
  const merges = model.merges.map((merge: unknown) =>
    Array.isArray(merge) ? merge.join(' ') : String(merge),
  );
  return { vocabulary: model.vocab as Record<string, number>, merges };
}

/**
 * Loads the tokenizer of a model's `tokenizer` folder: vocabulary and merges, and from
 * `tokenizer_config.json` and `special_tokens_map.json`, where they are there, the special tokens and the
 * length.
 * @throws when files are missing or do not belong together; the message names the folder
 */
export function loadClipTokenizer(directory: string): ClipTokenizer {
  const configs = ['tokenizer_config.json', 'special_tokens_map.json']
    .map((name) => join(directory, name))
    .filter((path) => existsSync(path))
    .map(readJsonObject);
  const stated = configs
    .map((config) => config.model_max_length)
    .find((length) => typeof length === 'number');
  const fields = {
    startToken: specialToken(configs, 'bos_token'),
    endToken: specialToken(configs, 'eos_token'),
    padToken: specialToken(configs, 'pad_token'),
    // A tokenizer without a limit states an astronomic number.
    maxLength: typeof stated === 'number' && stated <= 1e6 ? stated : undefined,
  };
  const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const parts = readVocabulary(directory);
  try {
    return createClipTokenizer({ ...parts, ...present });
  } catch (error) {
    throw new Error(`${directory}: ${(error as Error).message}`, { cause: error });
  }
}
