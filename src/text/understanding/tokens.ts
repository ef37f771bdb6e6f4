/** Tokens of a prompt: words (hyphenated ones whole), numbers and marks, with parts of speech. */

import { tagText } from './part_of_speech.ts';
import type { Token } from './types.ts';

/**
 * In this order: weights of adapters in angle brackets, titles with their full stop, `y/o`, words with inner apostrophes
 * other than a possessive's, possessive endings, single marks.
 */
const TOKEN =
  /<[^<>\s]*>|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr)\.(?=\s)|\by\/o\b|\d+(?:[.,]\d+)+|[\p{L}\p{N}]+(?:(?:[-‐‑]|['’](?!s\b)(?=\p{L}))[\p{L}\p{N}]+)*|['’]s?(?!\p{L})|[^\s]/gu;

/** Whether a token is a word or a number rather than a mark. */
export function isWord({ text }: Pick<Token, 'text'>): boolean {
  return /^[\p{L}\p{N}]/u.test(text);
}

/** Cuts a prompt into tokens; those that wink-nlp cuts finer get the part of speech of their last piece. */
export function tokenize(prompt: string): readonly Token[] {
  const tagged = tagText(prompt).tokens;
  let next = 0;
  const tokens = [...prompt.matchAll(TOKEN)].map((match): Token => {
    const [text] = match;
    const start = match.index;
    const end = start + text.length;
    while (next < tagged.length && tagged[next]!.end <= start) next++;
    let last = next;
    while (last + 1 < tagged.length && tagged[last + 1]!.start < end) last++;
    const tag = tagged[last];
    const inside = tag !== undefined && tag.start < end;
    const whole = inside && last === next && tag.start === start && tag.end === end;
    return Object.freeze({
      start,
      end,
      text,
      partOfSpeech: inside ? tag.partOfSpeech : 'X',
      lemma: whole ? tag.lemma : text.toLowerCase(),
    });
  });
  return Object.freeze(tokens);
}
