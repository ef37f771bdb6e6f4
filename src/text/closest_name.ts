/** The known name that a misspelt one most likely meant. */

/** Least number of inserted, deleted or replaced characters that turn `from` into `to` (Levenshtein distance). */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

/**
 * The closest of `known` to `name`, ignoring case: the one with the least edit distance, where that is at most a third
 * of the longer name, or one that `name` begins. Undefined where none is close.
 */
export function closestName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.trim().toLowerCase();
  if (wanted === '') return undefined;
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const lower = candidate.toLowerCase();
    const distance = editDistance(wanted, lower);
    const near = distance <= Math.max(wanted.length, lower.length) / 3 || lower.startsWith(wanted);
    if (near && distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}
