/** Targets as a server gives them, in a line. */

import type { Target } from '../api/types.ts';

function sharesInWords(shares: unknown): string {
  if (typeof shares === 'string') return shares;
  if (typeof shares !== 'object' || shares === null) return String(shares);
  return Object.entries(shares)
    .map(([name, share]) =>
      typeof share === 'number' ? `${Math.round(share * 100)}% ${name}` : `${name} ${sharesInWords(share)}`,
    )
    .join(', ');
}

/** `gender: uniform; age: 75% young, 25% old`. */
export function targetInWords(target: Target): string {
  if (typeof target === 'string') return target;
  return Object.entries(target)
    .map(([name, shares]) => `${name}: ${sharesInWords(shares)}`)
    .join('; ');
}
