/** Chooses prompts: a set of the server's or own lines. */

import { useState } from 'react';
import { getPromptSet } from '../api/client.ts';
import type { PromptSet } from '../api/types.ts';
import { useLoaded } from '../api/use_job.ts';
import { counted } from '../lib/format.ts';
import type { PromptSource } from '../lib/prompt_source.ts';
import { linesOf } from '../lib/prompt_source.ts';
import { NumberField, Segmented, SelectField, TextField } from './controls.tsx';
import { ErrorNotice } from './notice.tsx';

function SetPreview({ name, split }: { readonly name: string; readonly split: 'train' | 'test' }) {
  const { value, error } = useLoaded(() => getPromptSet(name, split), `${name} ${split}`);
  if (error !== null) return <ErrorNotice error={error} />;
  if (value === null) return <p className="small muted">Loading…</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className="set-preview" tabIndex={0} aria-label={`Prompts of ${name}`}>
      <ol>
        {value.prompts.map((prompt) => (
          <li key={prompt}>{prompt}</li>
        ))}
      </ol>
    </section>
  );
}

/** The choice. */
export function PromptSourceEditor({
  source,
  onChange,
  promptSets,
  split,
  withCount,
}: {
  readonly source: PromptSource;
  readonly onChange: (source: PromptSource) => void;
  readonly promptSets: readonly PromptSet[];
  /** Which part of a set is used. */
  readonly split: 'train' | 'test';
  /** Whether a number of a set's prompts can be chosen. */
  readonly withCount: boolean;
}) {
  const [isOpen, setOpen] = useState(false);
  const change = (part: Partial<PromptSource>) => onChange({ ...source, ...part });
  const set = promptSets.find(({ name }) => name === source.set);
  const own = linesOf(source).length;
  return (
    <div className="stack">
      <Segmented
        legend="Prompts"
        value={source.from}
        options={[
          { value: 'set', label: 'A set' },
          { value: 'own', label: 'My own' },
        ]}
        onChange={(from) => change({ from })}
      />
      {source.from === 'own' ? (
        <TextField
          label="One prompt a line"
          rows={5}
          value={source.lines}
          hint={counted(own, 'prompt')}
          fault={own === 0 ? 'Write at least one prompt.' : null}
          onChange={(lines) => change({ lines })}
        />
      ) : (
        <>
          <div className={withCount ? 'pair' : ''}>
            <SelectField
              label="Set"
              value={source.set}
              options={promptSets.map((each) => ({
                value: each.name,
                label: `${each.name} (${each[split]})`,
              }))}
              onChange={(name) => change({ set: name })}
            />
            {withCount && (
              <NumberField
                label="How many of them"
                value={Math.min(source.count, set?.[split] ?? source.count)}
                least={1}
                most={set?.[split] ?? 5000}
                onChange={(count) => change({ count })}
              />
            )}
          </div>
          {set !== undefined && (
            <details className="inline-details" onToggle={(event) => setOpen(event.currentTarget.open)}>
              <summary className="small">
                {split === 'test' ? 'Held out from training' : 'To train on'}: “{set.example}” …
              </summary>
              {isOpen && <SetPreview name={set.name} split={split} />}
            </details>
          )}
        </>
      )}
    </div>
  );
}
