/**
 * The tokenizer of CLIP: text to the token ids that a text encoder takes, by byte-pair encoding of
 * lower-cased words.
 */

import { Tokenizer } from '@huggingface/tokenizers';
import { byteSymbols, END_OF_TEXT, END_OF_WORD, START_OF_TEXT } from './bpe_vocabulary.ts';

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
  /** What it is made of: {@link createClipTokenizer} makes an equal one of them, on another machine too. */
  readonly parts: Required<ClipTokenizerParts>;
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
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const byteOf = new Map(Array.from(byteSymbols(), ([byte, symbol]) => [symbol, byte]));

  const encodeText = (text: string): number[] => library.encode(text, { add_special_tokens: false }).ids;

  const decode = (ids: readonly number[]): string => {
    const tokens = ids.filter((id) => id !== startId && id !== endId).map((id) => tokenOf.get(id) ?? '');
    const words = tokens.join('').split(END_OF_WORD);
    return words
      .map((word) => utf8.decode(Uint8Array.from(word, (symbol) => byteOf.get(symbol)!)))
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
    parts: Object.freeze(complete),
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
