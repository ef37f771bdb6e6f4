/**
 * The tokenizer of CLIP: text to the token ids that a text encoder takes, by byte-pair encoding of
 * lower-cased words.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { isJsonObject, type JsonObject, readJsonObject } from '../weights/json_file.ts';
import { byteSymbols, END_OF_TEXT, END_OF_WORD, parseMerges, START_OF_TEXT } from './bpe_vocabulary.ts';

/** Positions of CLIP's text encoder. */
const CLIP_MAX_LENGTH = 77;

/** What a tokenizer is made of. */
export interface ClipTokenizerParts {
  /** Token ids by token, as in `vocab.json`. */
  readonly vocabulary: Readonly<Record<string, number>>;
  /** Pairs of symbols in order of precedence, as in the lines of `merges.txt`. */
  readonly merges: readonly string[];
  readonly startToken?: string;
  readonly endToken?: string;
  /** Fills a prompt up to the length: the end token in Stable Diffusion 1.x, `!` in 2.x. */
  readonly padToken?: string;
  /** Length of an encoding where the caller states none, 77 if not given. */
  readonly maxLength?: number;
}

/** An encoded prompt. */
export interface EncodedPrompt {
  /** Start token, text, end token, padding: exactly `maxLength` ids. */
  readonly ids: number[];
  /** 1 for start, text and end token, 0 for padding. */
  readonly attentionMask: number[];
  /** Lower-cased text of the tokens that did not fit, empty if all did. */
  readonly truncated: string;
}

/** A tokenizer. */
export interface ClipTokenizer {
  /** One more than the largest id: rows that the token embedding must have. */
  readonly vocabularySize: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  readonly maxLength: number;
  /** @throws RangeError when `maxLength` leaves no room for start and end token */
  encode(prompt: string, options?: { readonly maxLength?: number }): EncodedPrompt;
  /** Ids of the text alone, without start and end token and of any length. */
  encodeText(text: string): number[];
  /** Text of tokens, special ones left out. */
  decode(ids: readonly number[]): string;
}

/**
 * Pieces that are encoded by themselves: contractions, runs of letters, single digits, runs of anything else
 * but spaces.
 */
const PIECE = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\p{White_Space}\\p{L}\\p{N}]+";

/**
 * Definition of CLIP's fast tokenizer in the form of a `tokenizer.json`. Three entries are spelled otherwise
 * than in the published file, because the library in JavaScript would read those with JavaScript's meaning:
 * `\s` there counts U+FEFF and not U+0085, lower-casing there turns a final sigma into another letter, and
 * the second split of `use_regex` uses `\s` too (after the first split it has nothing left to do).
 */
function tokenizerDefinition({
  vocabulary,
  merges,
  startToken,
  endToken,
}: Required<ClipTokenizerParts>): object {
  const special = (content: string) => ({
    id: vocabulary[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
    special: true,
  });
  return {
    version: '1.0',
    added_tokens: [special(startToken), special(endToken)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\p{White_Space}+' }, content: ' ' },
        { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: PIECE }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: endToken,
      continuing_subword_prefix: '',
      end_of_word_suffix: END_OF_WORD,
      fuse_unk: false,
      vocab: vocabulary,
      merges: merges.map((merge) => merge.split(' ')),
    },
  };
}

/**
 * Refuses a vocabulary that could not encode every text or in which merges and tokens do not belong together.
 */
function checkParts({
  vocabulary,
  merges,
  startToken,
  endToken,
  padToken,
}: Required<ClipTokenizerParts>): void {
  const symbols = [...byteSymbols().values()];
  const needed = [
    startToken,
    endToken,
    padToken,
    ...symbols,
    ...symbols.map((symbol) => symbol + END_OF_WORD),
  ];
  const missing = needed.find((token) => !Object.hasOwn(vocabulary, token));
  if (missing !== undefined) throw new Error(`vocabulary: has no token ${JSON.stringify(missing)}`);
  const wrongId = Object.entries(vocabulary).find(([, id]) => !Number.isInteger(id) || id < 0);
  if (wrongId !== undefined)
    throw new Error(`vocabulary: ${JSON.stringify(wrongId[0])} has the id ${wrongId[1]}`);
  const foreign = merges.find((merge) => !Object.hasOwn(vocabulary, merge.replace(' ', '')));
  if (foreign !== undefined)
    throw new Error(`merges: ${JSON.stringify(foreign)} makes no token of the vocabulary`);
}

/**
 * Makes a tokenizer whose ids equal those of `CLIPTokenizerFast`.
 * @throws when the vocabulary lacks a byte, a special token or the result of a merge
 */
export function createClipTokenizer(parts: ClipTokenizerParts): ClipTokenizer {
  const endToken = parts.endToken ?? END_OF_TEXT;
  const defaults = { startToken: START_OF_TEXT, endToken, padToken: endToken, maxLength: CLIP_MAX_LENGTH };
  const complete = { ...defaults, ...parts };
  checkParts(complete);
  const { vocabulary } = complete;
  const startId = vocabulary[complete.startToken];
  const endId = vocabulary[endToken];
  const padId = vocabulary[complete.padToken];
  const library = new Tokenizer(tokenizerDefinition(complete), {});
  const tokenOf = new Map(Object.entries(vocabulary).map(([token, id]) => [id, token]));
  const byteOf = new Map(Array.from(byteSymbols(), ([byte, symbol]) => [symbol, byte]));

  const encodeText = (text: string): number[] => library.encode(text, { add_special_tokens: false }).ids;

  const decode = (ids: readonly number[]): string => {
    const tokens = ids.filter((id) => id !== startId && id !== endId).map((id) => tokenOf.get(id) ?? '');
    const words = tokens.join('').split(END_OF_WORD);
    return words
      .map((word) => Buffer.from(Array.from(word, (symbol) => byteOf.get(symbol)!)).toString('utf8'))
      .join(' ')
      .trim();
  };

  const encode = (prompt: string, options: { readonly maxLength?: number } = {}): EncodedPrompt => {
    const maxLength = options.maxLength ?? complete.maxLength;
    if (!Number.isInteger(maxLength) || maxLength < 2) {
      throw new RangeError(`maxLength: expected an integer of at least 2, received ${maxLength}`);
    }
    const text = encodeText(prompt);
    const kept = text.slice(0, maxLength - 2);
    const attended = kept.length + 2;
    const padding = Array<number>(maxLength - attended);
    return {
      ids: [startId, ...kept, endId, ...padding.fill(padId)],
      attentionMask: [...Array<number>(attended).fill(1), ...padding.fill(0)],
      truncated: decode(text.slice(kept.length)),
    };
  };

  return Object.freeze({
    vocabularySize: Object.values(vocabulary).reduce((largest, id) => Math.max(largest, id), 0) + 1,
    startId,
    endId,
    padId,
    maxLength: complete.maxLength,
    encode,
    encodeText,
    decode,
  });
}

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
