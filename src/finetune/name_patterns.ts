/** Choosing layers and parameters by name: patterns with *, and errors that list the nearest names. */

import { editDistance } from '../fairness/closest_name.ts';

/** How many names an error lists. */
const LISTED = 4;

/**
 * Those of `names` that a pattern fits, in their own order. A pattern fits a name that equals it, or whose end after a dot
 * does: `to_k` fits `unet.mid_block.attn2.to_k`; `*` stands for any characters, dots included.
 * @param what names the configuration field for errors
 * @throws Error when a pattern fits nothing, with the names that are nearest to it
 */
export function matchNames(patterns: readonly string[], names: readonly string[], what: string): string[] {
  const fitted = new Set<string>();
  for (const pattern of patterns) {
    const expression = patternExpression(pattern);
    const found = names.filter((name) => expression.test(name));
    if (found.length === 0) {
      const nearest = nearestNames(pattern, names);
      throw new Error(
        `${what}: ${JSON.stringify(pattern)} fits none of ${names.length} names; nearest: ${nearest.join(', ')}`,
      );
    }
    for (const name of found) fitted.add(name);
  }
  return names.filter((name) => fitted.has(name));
}

function patternExpression(pattern: string): RegExp {
  const literal = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^(?:.*\\.)?${pattern.split('*').map(literal).join('.*')}$`);
}

/** Ends of names, of as many segments as the pattern has, by their edit distance to it. */
function nearestNames(pattern: string, names: readonly string[]): string[] {
  const segments = pattern.split('.').length;
  const plain = pattern.replaceAll('*', '');
  const ends = new Set(names.map((name) => name.split('.').slice(-segments).join('.')));
  return [...ends]
    .map((end) => ({ end, distance: editDistance(plain, end) }))
    .sort((a, b) => a.distance - b.distance || (a.end < b.end ? -1 : 1))
    .slice(0, LISTED)
    .map(({ end }) => end);
}
