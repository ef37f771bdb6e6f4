/** Adapters named in a prompt as AUTOMATIC1111 names them: `<lora:NAME>` and `<lora:NAME:WEIGHT>`. */

import { LARGEST_ADAPTER_SCALE } from '../diffusion/adapter_scale.ts';

/** A prompt without its tag, and what the tag said. */
export interface TaggedPrompt {
  /** What is drawn. */
  readonly prompt: string;
  /** Id or name of an adapter with its scale; `null` without a tag. */
  readonly adapter: { readonly named: string; readonly scale: number } | null;
}

const TAG = /([ \t]*)<lora:([^>]*)>([ \t]*)/g;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Takes the tag of an adapter out of a prompt. Of the blanks around it one is left, none at the prompt's ends. The weight is 1
 * where the tag has none.
 * @throws Error when there are several tags, or one that is malformed or whose weight is out of range
 */
export function readLoraTag(text: string): TaggedPrompt {
  const tags = [...text.matchAll(TAG)];
  const [tag] = tags;
  if (tag === undefined) return { prompt: text, adapter: null };
  if (tags.length > 1) {
    const named = tags.map(([whole]) => whole.trim()).join(', ');
    throw new Error(
      `expected at most one <lora:NAME:WEIGHT>, as one adapter is used at a time, received ${named}`,
    );
  }
  const prompt = text.replace(TAG, (_, before: string, __, after: string) => (before || after ? ' ' : ''));
  return { prompt: prompt.trim(), adapter: adapterOf(tag[0].trim(), tag[2]!) };
}

function adapterOf(tag: string, fields: string): TaggedPrompt['adapter'] {
  const [name = '', weight = '1', ...more] = fields.split(':').map((field) => field.trim());
  const scale = NUMBER.test(weight) ? Number(weight) : Number.NaN;
  if (name === '' || more.length > 0 || !(Math.abs(scale) <= LARGEST_ADAPTER_SCALE)) {
    throw new Error(
      `expected <lora:NAME> or <lora:NAME:WEIGHT> with one weight in -${LARGEST_ADAPTER_SCALE}..${LARGEST_ADAPTER_SCALE}, ` +
        `received ${tag}`,
    );
  }
  return { named: name, scale };
}
