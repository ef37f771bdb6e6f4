/** The target by sliders: which attributes are steered, and to what shares, checked while they move. */

import { useId } from 'react';
import type { AttributeClasses, TargetDraft } from '../lib/target.ts';
import {
  changePercent,
  evenPercents,
  faultOf,
  isEven,
  scaleTo100,
  sliderText,
  sumOf,
} from '../lib/target.ts';
import { Switch } from './controls.tsx';

function ClassSlider({
  label,
  value,
  colour,
  onChange,
}: {
  readonly label: string;
  readonly value: number;
  readonly colour: number;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  return (
    <div className="class-slider">
      <label htmlFor={id}>
        <span className="key" style={{ color: `var(--series-${colour % 8})` }} />
        {label}
      </label>
      <input
        id={id}
        type="range"
        min={0}
        max={100}
        step={1}
        value={value}
        aria-valuetext={sliderText(value)}
        style={{ accentColor: `var(--series-${colour % 8})` }}
        onChange={(event) => onChange(Number(event.target.value))}
      />
      <input
        type="number"
        inputMode="numeric"
        min={0}
        max={100}
        value={value}
        aria-label={`${label}, percent`}
        onChange={(event) => onChange(Math.min(100, Math.max(0, Math.round(Number(event.target.value)))))}
      />
      <span aria-hidden="true" className="muted">
        %
      </span>
    </div>
  );
}

function AttributeEditor({
  attribute: { name, classes },
  percents,
  onChange,
}: {
  readonly attribute: AttributeClasses;
  readonly percents: Readonly<Record<string, number>>;
  readonly onChange: (percents: Readonly<Record<string, number>>) => void;
}) {
  const fault = faultOf(percents);
  return (
    <fieldset className="target-attribute">
      <legend className="visually-hidden">Target shares of {name}</legend>
      <div className="composition" aria-hidden="true">
        {classes.map((each, k) => (
          <span
            key={each}
            style={{
              flexGrow: percents[each] ?? 0,
              background: `var(--series-${k % 8})`,
            }}
          />
        ))}
        {sumOf(percents) < 100 && <span className="gap" style={{ flexGrow: 100 - sumOf(percents) }} />}
      </div>
      {classes.map((each, k) => (
        <ClassSlider
          key={each}
          label={each}
          value={percents[each] ?? 0}
          colour={k}
          onChange={(value) => onChange(changePercent(percents, each, value))}
        />
      ))}
      <div className="row apart">
        <p className={fault === null ? 'small good-text' : 'small fault'} role="status">
          {fault ?? 'Adds up to 100%.'}
        </p>
        <div className="row">
          {fault !== null && (
            <button type="button" className="quiet" onClick={() => onChange(scaleTo100(percents))}>
              Scale to 100%
            </button>
          )}
          {!isEven(percents, classes) && (
            <button type="button" className="quiet" onClick={() => onChange(evenPercents(classes))}>
              Even
            </button>
          )}
        </div>
      </div>
    </fieldset>
  );
}

/** Switches and sliders for all attributes of a model. */
export function TargetEditor({
  legend,
  attributes,
  draft,
  onChange,
}: {
  readonly legend: string;
  readonly attributes: readonly AttributeClasses[];
  readonly draft: TargetDraft;
  readonly onChange: (draft: TargetDraft) => void;
}) {
  return (
    <fieldset className="target-editor">
      <legend>{legend}</legend>
      {attributes.map((attribute) => {
        const { name, classes } = attribute;
        const percents = draft[name];
        return (
          <div key={name} className="target-block">
            <Switch
              label={name}
              checked={percents !== undefined}
              onChange={(checked) => {
                const { [name]: _, ...rest } = draft;
                onChange(checked ? { ...rest, [name]: evenPercents(classes) } : rest);
              }}
            />
            {percents !== undefined && (
              <AttributeEditor
                attribute={attribute}
                percents={percents}
                onChange={(changed) => onChange({ ...draft, [name]: changed })}
              />
            )}
          </div>
        );
      })}
    </fieldset>
  );
}
