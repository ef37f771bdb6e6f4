/** Parts of speech and dates from wink-nlp's English model, loaded when first needed. */

import { createRequire } from 'node:module';

/** A token as wink-nlp cuts it, with its place in the text. */
export interface TaggedToken {
  readonly start: number;
  readonly end: number;
  readonly partOfSpeech: string;
  readonly lemma: string;
}

/** A date that wink-nlp found. */
export interface TaggedDate {
  readonly start: number;
  readonly end: number;
}

/** Tokens in order of place, without gaps other than white space, and dates. */
export interface TaggedText {
  readonly tokens: readonly TaggedToken[];
  readonly dates: readonly TaggedDate[];
}

/** The part of wink-nlp's interface in use; its own types don't accept its own `its.pos`. */
interface Wink {
  readonly its: Readonly<Record<'pos' | 'lemma' | 'type', unknown>>;
  readDoc(text: string): {
    tokens(): { out(what?: unknown): string[] };
    entities(): { each(visit: (entity: WinkEntity) => void): void };
  };
}

interface WinkEntity {
  out(what: unknown): string;
  tokens(): { itemAt(i: number): { index(): number }; length(): number };
}

const PIPE = Object.freeze(['sbd', 'ner', 'pos']);

let loaded: Wink | undefined;

/** The model takes about a second to load, which commands without prompts to understand need not spend. */
function wink(): Wink {
  if (loaded === undefined) {
    const load = createRequire(import.meta.url);
    const create = load('wink-nlp') as (model: unknown, pipe: readonly string[]) => Wink;
    loaded = create(load('wink-eng-lite-web-model'), PIPE);
  }
  return loaded;
}

/** Parts of speech, lemmas and dates of a text. */
export function tagText(text: string): TaggedText {
  const { its } = wink();
  const document = wink().readDoc(text);
  const words = document.tokens().out();
  const parts = document.tokens().out(its.pos);
  const lemmas = document.tokens().out(its.lemma);
  let place = 0;
  const tokens = words.map((word, i): TaggedToken => {
    // Searched for rather than counted: wink-nlp replaces some white space.
    const start = Math.max(place, text.indexOf(word, place));
    place = start + word.length;
    return Object.freeze({ start, end: place, partOfSpeech: parts[i]!, lemma: lemmas[i]! });
  });
  const dates: TaggedDate[] = [];
  document.entities().each((entity) => {
    if (entity.out(its.type) !== 'DATE') return;
    const inside = entity.tokens();
    const first = tokens[inside.itemAt(0).index()]!;
    const last = tokens[inside.itemAt(inside.length() - 1).index()]!;
    dates.push(Object.freeze({ start: first.start, end: last.end }));
  });
  return Object.freeze({ tokens: Object.freeze(tokens), dates: Object.freeze(dates) });
}
