/** Reading what others wrote, stored drafts and shared links: each field is taken where it fits, its default where not. */

/** A record's fields; none for anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** A string as it is, anything else as `fallback`. */
export function text<Fallback>(value: unknown, fallback: Fallback): string | Fallback {
  return typeof value === 'string' ? value : fallback;
}

/** A finite number, also one written as text, within its bounds; anything else as `fallback`. */
export function numeric<Fallback>(
  value: unknown,
  fallback: Fallback,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): number | Fallback {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && number >= least && number <= most && Number.isFinite(number)
    ? number
    : fallback;
}

/** `true` and `false`, also as `1` and `0` in text; anything else as `fallback`. */
export function flag(value: unknown, fallback: boolean): boolean {
  if (value === true || value === '1') return true;
  return value === false || value === '0' ? false : fallback;
}

/** One of the given words, or `fallback`. */
export function oneOf<Word extends string>(value: unknown, words: readonly Word[], fallback: Word): Word {
  return words.find((word) => word === value) ?? fallback;
}

/** The strings of a list, or `fallback` for anything but a list. */
export function texts(value: unknown, fallback: readonly string[]): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : fallback;
}
