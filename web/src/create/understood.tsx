/** What the prompt was understood to ask for, and what it leaves to the model. */

import { useEffect, useState } from 'react';
import { understandPrompt } from '../api/client.ts';
import type { Understanding } from '../api/types.ts';
import { routeTo } from '../lib/route.ts';

/** Milliseconds of rest before a prompt is sent. */
const REST = 350;

/** One thing that a prompt says, or leaves open. */
interface Tag {
  readonly kind: string;
  readonly text: string;
  readonly absent?: boolean;
}

function peopleInWords({ least, most }: { readonly least: number; readonly most: number | null }): string {
  if (most === null) return `${least} or more people`;
  if (least !== most) return `${least} to ${most} people`;
  return least === 1 ? '1 person' : `${least} people`;
}

/** The tags of an understanding, in the order in which they are shown. */
export function tagsOf({ people, entities, styles, named }: Understanding): Tag[] {
  const tags: Tag[] = [];
  if (people.count === null) tags.push({ kind: 'people', text: 'no people' });
  else tags.push({ kind: 'people', text: peopleInWords(people.count) });
  for (const { attributes, occupation, activity } of people.groups) {
    for (const { attribute, value } of attributes) tags.push({ kind: attribute, text: value });
    if (occupation) tags.push({ kind: 'occupation', text: occupation.value });
    if (activity) tags.push({ kind: 'activity', text: activity.value });
  }
  for (const { kind, value } of entities) tags.push({ kind, text: value });
  for (const { value } of styles) tags.push({ kind: 'style', text: value });
  for (const { value } of people.negated) tags.push({ kind: 'not', text: value });
  if (people.count !== null) {
    const open = (['gender', 'race', 'age'] as const).filter((attribute) => !named[attribute]);
    if (open.length > 0) tags.push({ kind: 'left to the model', text: open.join(', '), absent: true });
  }
  const seen = new Set<string>();
  return tags.filter(({ kind, text }) => {
    const key = `${kind} ${text}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Asks the server once typing rests, and shows its answer; an error leaves the place empty, for drawing does not need it. */
export function Understood({ prompt }: { readonly prompt: string }) {
  const [understanding, setUnderstanding] = useState<Understanding | null>(null);
  useEffect(() => {
    const asking = new AbortController();
    const timer = setTimeout(async () => {
      if (prompt.trim() === '') return setUnderstanding(null);
      try {
        setUnderstanding(await understandPrompt(prompt, asking.signal));
      } catch {
        if (!asking.signal.aborted) setUnderstanding(null);
      }
    }, REST);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [prompt]);
  if (understanding === null) return null;
  const { intent } = understanding;
  return (
    <section className="understood" aria-label="Understood">
      <h2 className="small">Understood</h2>
      <ul className="tags">
        {tagsOf(understanding).map(({ kind, text, absent }) => (
          <li key={`${kind} ${text}`} className={absent ? 'absent' : undefined}>
            <span className="muted">{kind}</span> {text}
          </li>
        ))}
      </ul>
      {intent.kind === 'measure' && (
        <p className="small">
          This reads like a question of who is drawn: <a href={routeTo('audit')}>Audit</a> measures that.
        </p>
      )}
      {intent.kind === 'finetune' && (
        <p className="small">
          This reads like a wish to change the model: <a href={routeTo('finetune')}>Fine-tune</a> does that.
        </p>
      )}
    </section>
  );
}
