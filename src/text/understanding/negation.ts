/** What a prompt says is not there: people and attributes after a negation. */

import type { Draft } from './drafts.ts';
import type { Term } from './terms.ts';

const STEPS =
  /^(?:of|any|a|an|the|single|visible|other|sign|signs|trace|traces|more|even|human|by|be|being|or)$/;

/** Marks the groups that a negation excludes. */
export function markNegated(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  const marked: Draft[] = [];
  for (const draft of drafts) {
    const last = marked.at(-1);
    const negated =
      draft.determiner === 'no' || isNegated(terms, draft.from - 1) || continuesNegation(terms, last, draft);
    marked.push(negated ? Object.freeze({ ...draft, negated }) : draft);
  }
  return Object.freeze(marked);
}

/** Whether a negation stands at term `at` or before it with only small words between. */
export function isNegated(terms: readonly Term[], at: number): boolean {
  for (let i = at; i >= 0; i--) {
    const { entry, key } = terms[i]!;
    if (entry?.kind === 'negator') return !/^(?:only|just|merely)$/.test(terms[i + 1]?.key ?? '');
    if (!STEPS.test(key) && !(entry?.kind === 'lone')) return false;
  }
  return false;
}

/** 'Without men or women'. */
function continuesNegation(terms: readonly Term[], last: Draft | undefined, draft: Draft): boolean {
  if (last === undefined || !last.negated) return false;
  const between = terms.slice(last.to + 1, draft.from).map(({ key }) => key);
  return (
    between.length > 0 && between.every((key) => /^(?:or|nor|,)$/.test(key)) && /^n?or$/.test(between.at(-1)!)
  );
}
