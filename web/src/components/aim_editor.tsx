/** Prompts and targets: one target for all prompts, or groups of prompts that are added, seen and removed. */

import type { ReactNode } from 'react';
import { useEffect, useRef, useState } from 'react';
import type { PromptSet } from '../api/types.ts';
import type { Aim, PromptGroup } from '../lib/aim.ts';
import { GROUP_WEIGHTS, groupTitle, MOST_GROUPS, titleFault, withNewGroup } from '../lib/aim.ts';
import type { AttributeClasses } from '../lib/target.ts';
import { targetInShort } from '../lib/target.ts';
import { NumberField, Segmented, TextField } from './controls.tsx';
import { PromptSourceEditor } from './prompt_source_editor.tsx';
import { TargetEditor } from './target_editor.tsx';

interface AimEditorProps {
  /** What the target is for. */
  readonly legend: string;
  readonly attributes: readonly AttributeClasses[];
  readonly aim: Aim;
  readonly onChange: (part: Partial<Aim>) => void;
  readonly promptSets: readonly PromptSet[];
  /** Which part of a set is used. */
  readonly split: 'train' | 'test';
  /** Whether a number of a set's prompts can be chosen. */
  readonly withCount: boolean;
  /** What is said of the targets, below them. */
  readonly children?: ReactNode;
}

/** The choice and what it needs. */
export function AimEditor(props: AimEditorProps) {
  const { legend, attributes, aim, onChange, promptSets, split, withCount, children } = props;
  const sets = promptSets.map(({ name }) => name);
  return (
    <>
      <Segmented
        legend="Targets"
        value={aim.byGroup ? 'groups' : 'one'}
        options={[
          { value: 'one', label: 'One for all' },
          { value: 'groups', label: 'By group of prompts' },
        ]}
        onChange={(way) => {
          const byGroup = way === 'groups';
          onChange({
            byGroup,
            ...(byGroup && aim.groups.length === 0 ? { groups: withNewGroup(aim, sets) } : {}),
          });
        }}
      />
      {aim.byGroup ? (
        <>
          <GroupList {...props} />
          {children}
        </>
      ) : (
        <>
          <TargetEditor
            legend={legend}
            attributes={attributes}
            draft={aim.target}
            onChange={(target) => onChange({ target })}
          />
          {children}
          <PromptSourceEditor
            source={aim.source}
            promptSets={promptSets}
            split={split}
            withCount={withCount}
            onChange={(source) => onChange({ source })}
          />
        </>
      )}
    </>
  );
}

function GroupList({ legend, attributes, aim, onChange, promptSets, split }: AimEditorProps) {
  const { groups } = aim;
  const [said, setSaid] = useState('');
  const [added, setAdded] = useState<number | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const adding = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (added === null) return;
    list.current?.querySelector<HTMLElement>(`[data-group="${added}"] > details > summary`)?.focus();
    setAdded(null);
  }, [added]);

  function add() {
    const next = withNewGroup(
      aim,
      promptSets.map(({ name }) => name),
    );
    const group = next.at(-1)!;
    onChange({ groups: next });
    setSaid(`Group ${groupTitle(group)} added; there are ${next.length}.`);
    setAdded(group.id);
  }

  function remove(group: PromptGroup) {
    onChange({ groups: groups.filter(({ id }) => id !== group.id) });
    setSaid(`Group ${groupTitle(group)} removed; ${groups.length - 1} left.`);
    adding.current?.focus();
  }

  return (
    <div className="stack">
      <ul ref={list} className="prompt-groups" aria-label="Groups of prompts">
        {groups.map((group) => (
          <li key={group.id} data-group={group.id}>
            <GroupEditor
              legend={legend}
              group={group}
              groups={groups}
              attributes={attributes}
              promptSets={promptSets}
              split={split}
              onChange={(changed) =>
                onChange({ groups: groups.map((each) => (each.id === group.id ? changed : each)) })
              }
              onRemove={groups.length > 1 ? () => remove(group) : null}
            />
          </li>
        ))}
      </ul>
      <button ref={adding} type="button" onClick={add} disabled={groups.length >= MOST_GROUPS}>
        Add a group
      </button>
      <p className="visually-hidden" role="status">
        {said}
      </p>
    </div>
  );
}

function GroupEditor({
  legend,
  group,
  groups,
  attributes,
  promptSets,
  split,
  onChange,
  onRemove,
}: {
  readonly legend: string;
  readonly group: PromptGroup;
  readonly groups: readonly PromptGroup[];
  readonly attributes: readonly AttributeClasses[];
  readonly promptSets: readonly PromptSet[];
  readonly split: 'train' | 'test';
  readonly onChange: (group: PromptGroup) => void;
  /** `null` for the last one, which stays. */
  readonly onRemove: (() => void) | null;
}) {
  const title = groupTitle(group);
  return (
    <details open className="prompt-group">
      <summary>
        <strong>{title}</strong>{' '}
        <span className="small muted">{targetInShort(group.target, attributes) || 'no target yet'}</span>
      </summary>
      <fieldset className="stack">
        <legend className="visually-hidden">Group {title}</legend>
        <PromptSourceEditor
          source={group.source}
          promptSets={promptSets}
          split={split}
          withCount={false}
          onChange={(source) => onChange({ ...group, source })}
        />
        <TargetEditor
          legend={legend}
          attributes={attributes}
          draft={group.target}
          onChange={(target) => onChange({ ...group, target })}
        />
        <TextField
          label="Name of the group"
          value={group.name}
          placeholder={title}
          fault={titleFault(group, groups)}
          onChange={(name) => onChange({ ...group, name: name.slice(0, 100) })}
        />
        {split === 'train' && (
          <NumberField
            label="Weight of the group"
            step="any"
            value={group.weight}
            least={GROUP_WEIGHTS[0]}
            most={GROUP_WEIGHTS[1]}
            hint="How often it is drawn, compared with the others."
            onChange={(weight) => onChange({ ...group, weight })}
          />
        )}
        {onRemove !== null && (
          <button type="button" className="quiet" onClick={onRemove}>
            Remove group {title}
          </button>
        )}
      </fieldset>
    </details>
  );
}
