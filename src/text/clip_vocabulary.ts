/** CLIP's own tokenizer, for models whose files hold none (single-file checkpoints). */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  buildClipVocabulary,
  clipVocabularyFiles,
  parseMerges,
  type VocabularyFiles,
} from './bpe_vocabulary.ts';
import { type ClipTokenizer, createClipTokenizer } from './clip_tokenizer.ts';

/** The 48894 merges of CLIP's vocabulary, as in the `merges.txt` of its published models. */
const MERGES = fileURLToPath(new URL('../../models/clip_vocabulary/merges.txt', import.meta.url));

/**
 * CLIP's tokenizer of 49408 tokens.
 * @param padToken fills prompts up: `!` in Stable Diffusion 2, the end token (null) in 1
 */
export function clipTokenizer(padToken: string | null = null): ClipTokenizer {
  const merges = parseMerges(readFileSync(MERGES, 'utf8'));
  const vocabulary = buildClipVocabulary(merges);
  return createClipTokenizer({ vocabulary, merges, ...(padToken === null ? {} : { padToken }) });
}

/** Contents of `vocab.json` and `merges.txt` of CLIP's tokenizer. */
export function clipTokenizerFiles(): VocabularyFiles {
  return clipVocabularyFiles(readFileSync(MERGES, 'utf8'));
}
