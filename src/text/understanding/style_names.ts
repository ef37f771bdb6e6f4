/** Names that stand for a style or an author, not for somebody in the picture. */

import type { Term } from './terms.ts';

/** Whether the name that begins at term `from` follows 'by', 'in the style of' and the like. */
export function isStyleName(terms: readonly Term[], from: number): boolean {
  const before = terms
    .slice(Math.max(0, from - 4), from)
    .map(({ key }) => key)
    .join(' ');
  return /(?:^| )(?:by|style of|manner of|inspired by|after|influenced by|photo by|à la|like)$/.test(before);
}
