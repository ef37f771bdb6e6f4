/**
 * CLIP's byte-pair vocabulary out of its list of merges, whole or cut to the first merges (Radford et al.,
 * 2021, section 2.4).
 */

/** Mark at the end of the last symbol of a word. */
export const END_OF_WORD = '</w>';
/** Token before every prompt. */
export const START_OF_TEXT = '<|startoftext|>';
/** Token after every prompt; also padding in Stable Diffusion 1.x. */
export const END_OF_TEXT = '<|endoftext|>';
/** Merges in CLIP's vocabulary of 49408 tokens: 49408 - 2 * 256 byte symbols - 2 special tokens. */
export const CLIP_MERGE_COUNT = 48894;

/** Byte ranges whose characters stand for themselves: the printable ones of Latin-1. */
const PRINTABLE: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

/** The 256 bytes in vocabulary order: printable ones first. */
function bytesInOrder(): number[] {
  const isPrintable = (byte: number) => PRINTABLE.some(([first, last]) => byte >= first && byte <= last);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))];
}

/**
 * Character that stands for each byte, in vocabulary order: printable Latin-1 characters for themselves, then
 * U+0100 onwards for the other bytes (the byte-level alphabet of GPT-2).
 */
export function byteSymbols(): ReadonlyMap<number, string> {
  const order = bytesInOrder();
  const printable = PRINTABLE.reduce((count, [first, last]) => count + last - first + 1, 0);
  return new Map(
    order.map((byte, rank) => [
      byte,
      String.fromCodePoint(rank < printable ? byte : 0x100 + rank - printable),
    ]),
  );
}

/**
 * Merges out of the text of a `merges.txt` or of OpenAI's `bpe_simple_vocab_16e6.txt`: one a line, two
 * symbols with a space between, after a first line that names the version.
 * @param count how many to take from the front; all if not given
 * @throws when there are fewer than `count` or a line is not two symbols
 */
export function parseMerges(text: string, count?: number): string[] {
  const lines = text.split(/\r?\n/);
  const body = lines[0].includes('#version') ? lines.slice(1) : lines;
  const last = body.findLastIndex((line) => line !== '') + 1;
  if (count !== undefined && last < count)
    throw new Error(`merges: expected at least ${count}, received ${last}`);
  const merges = body.slice(0, count ?? last);
  const wrong = merges.findIndex((line) => !/^\S+ \S+$/.test(line));
  if (wrong >= 0)
    throw new Error(
      `merges: line ${wrong + 1}: expected two symbols, received ${JSON.stringify(merges[wrong])}`,
    );
  return merges;
}

/**
 * Token ids by token, as CLIP numbers them: 256 bytes, 256 bytes at a word's end, one token a merge, start
 * and end of text.
 * @throws when a merge uses a symbol that is made by no merge before it, or makes one that exists
 */
export function buildClipVocabulary(merges: readonly string[]): Readonly<Record<string, number>> {
  const symbols = [...byteSymbols().values()];
  const ids = new Map<string, number>();
  for (const token of [...symbols, ...symbols.map((symbol) => symbol + END_OF_WORD)])
    ids.set(token, ids.size);
  for (const merge of merges) {
    const [left, right] = merge.split(' ');
    if (!ids.has(left) || !ids.has(right)) {
      throw new Error(`merges: ${JSON.stringify(merge)} uses a symbol that no earlier merge makes`);
    }
    if (ids.has(left + right))
      throw new Error(`merges: ${JSON.stringify(merge)} makes a symbol that exists already`);
    ids.set(left + right, ids.size);
  }
  ids.set(START_OF_TEXT, ids.size);
  ids.set(END_OF_TEXT, ids.size);
  return Object.freeze(Object.fromEntries(ids));
}

/** Contents of the two files of a tokenizer folder. */
export interface VocabularyFiles {
  /** Text of `vocab.json`. */
  readonly vocabJson: string;
  /** Text of `merges.txt`. */
  readonly mergesTxt: string;
}

/**
 * Files of a tokenizer with the first merges of CLIP's vocabulary; a cut vocabulary splits rare words into
 * more tokens but still encodes every text.
 * @param mergesText text of `bpe_simple_vocab_16e6.txt` (unpacked) or of a `merges.txt`
 * @param count number of merges, CLIP's own 48894 if not given
 */
export function clipVocabularyFiles(mergesText: string, count = CLIP_MERGE_COUNT): VocabularyFiles {
  const merges = parseMerges(mergesText, count);
  return Object.freeze({
    vocabJson: JSON.stringify(buildClipVocabulary(merges)),
    mergesTxt: `#version: 0.2\n${merges.join('\n')}\n`,
  });
}
