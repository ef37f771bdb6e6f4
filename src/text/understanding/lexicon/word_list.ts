/** How lexicons are written down: lists of words with commas between them, plurals, and keys for looking words up. */

/** The words of a text with commas between them; line breaks count as spaces. */
export function wordList(text: TemplateStringsArray): readonly string[] {
  return Object.freeze(
    text
      .join('')
      .split(',')
      .map((word) => word.trim().replaceAll(/\s+/g, ' '))
      .filter((word) => word !== ''),
  );
}

/** Key under which a word or phrase is looked up: lower case, straight apostrophes, spaces for hyphens. */
export function lexiconKey(text: string): string {
  return text.toLowerCase().replaceAll('’', "'").replaceAll(/[-‐‑]/g, ' ');
}

const IRREGULAR_PLURALS: Readonly<Record<string, string>> = Object.freeze({
  child: 'children',
  foot: 'feet',
  goose: 'geese',
  housewife: 'housewives',
  midwife: 'midwives',
  mouse: 'mice',
  person: 'people',
  wife: 'wives',
  wolf: 'wolves',
});

/** Plural of an English noun, or of the last word of a compound. */
export function pluralOf(noun: string): string {
  const [, before = '', last = ''] = /^(.* )?(\S+)$/.exec(noun) ?? [];
  return before + pluralOfWord(last);
}

function pluralOfWord(word: string): string {
  const irregular = IRREGULAR_PLURALS[word];
  if (irregular !== undefined) return irregular;
  if (/(?:child|children)$/.test(word)) return word.replace(/child$/, 'children');
  if (/^(?:human|german|roman|shaman|norman)$/.test(word)) return `${word}s`;
  if (/man$/.test(word)) return word.replace(/man$/, 'men');
  if (/[^aeiou]y$/.test(word)) return word.replace(/y$/, 'ies');
  if (/(?:s|x|z|ch|sh)$/.test(word)) return `${word}es`;
  return `${word}s`;
}
