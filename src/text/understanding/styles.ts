/** Styles that a prompt asks for, and the artists whose style it asks for. */

import { STYLE_WORDS } from './lexicon/styles.ts';
import { lexiconKey } from './lexicon/word_list.ts';
import type { Finding, Token } from './types.ts';

const LONGEST = Math.max(...[...STYLE_WORDS.keys()].map((key) => key.split(' ').length));

/** Artists: capitalised words after 'by', 'in the style of' and the like. */
const ARTIST =
  /\b(?:in the (?:style|manner) of|(?:painting|painted|photo|photographed|drawing|portrait|art|illustration|inspired|couple)? ?\bby|style of)\s+((?:\p{Lu}[\p{L}.'’-]*)(?:\s+(?:(?:van|von|de|da|del|di|der|la)\s+)*\p{Lu}[\p{L}.'’-]*)*)/gu;

/** Styles in order of place; of overlapping phrases the longest. */
export function findStyles(prompt: string, tokens: readonly Token[]): readonly Finding[] {
  const found: Finding[] = [];
  for (let i = 0; i < tokens.length; i++) {
    for (let count = Math.min(LONGEST, tokens.length - i); count > 0; count--) {
      const [first, last] = [tokens[i]!, tokens[i + count - 1]!];
      const style = STYLE_WORDS.get(lexiconKey(prompt.slice(first.start, last.end).replaceAll(/\s+/g, ' ')));
      if (style === undefined) continue;
      found.push(finding(prompt, first.start, last.end, style, 'word of style'));
      i += count - 1;
      break;
    }
  }
  for (const match of prompt.matchAll(ARTIST)) {
    const end = match.index + match[0].length;
    found.push(finding(prompt, end - match[1]!.length, end, `in the style of ${match[1]}`, 'artist'));
  }
  return Object.freeze(found.sort((a, b) => a.start - b.start));
}

function finding(prompt: string, start: number, end: number, value: string, rule: string): Finding {
  return Object.freeze({ start, end, text: prompt.slice(start, end), value, rule });
}
