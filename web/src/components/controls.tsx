/** Form controls: each has a visible label, a hint where it helps, and its fault below it. */

import type { ReactNode } from 'react';
import { useEffect, useId, useState } from 'react';

/** What every field shows. */
export interface FieldTexts {
  readonly label: string;
  readonly hint?: string;
  /** What is wrong with the value, or `null`. */
  readonly fault?: string | null;
}

function Field({
  label,
  hint,
  fault,
  id,
  children,
}: FieldTexts & { readonly id: string; readonly children: ReactNode }) {
  return (
    <div className="field" data-fault={fault ? '' : undefined}>
      <label htmlFor={id}>{label}</label>
      {children}
      {hint && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
      {fault && (
        <p id={`${id}-fault`} className="fault">
          {fault}
        </p>
      )}
    </div>
  );
}

function describedBy(id: string, { hint, fault }: FieldTexts): string | undefined {
  const ids = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean);
  return ids.length === 0 ? undefined : ids.join(' ');
}

/** Text over one or several lines. */
export function TextField({
  value,
  onChange,
  rows = 1,
  placeholder,
  onSubmit,
  ...texts
}: FieldTexts & {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly rows?: number;
  readonly placeholder?: string;
  /** Called on Ctrl+Enter or Cmd+Enter. */
  readonly onSubmit?: () => void;
}) {
  const id = useId();
  const shared = {
    id,
    value,
    placeholder,
    'aria-describedby': describedBy(id, texts),
    'aria-invalid': texts.fault ? true : undefined,
  };
  return (
    <Field id={id} {...texts}>
      {rows === 1 ? (
        <input type="text" {...shared} onChange={(event) => onChange(event.target.value)} />
      ) : (
        <textarea
          rows={rows}
          {...shared}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            onSubmit?.();
          }}
        />
      )}
    </Field>
  );
}

/** A number between bounds on a slider, which shows it at its end. */
export function RangeField({
  value,
  onChange,
  least,
  most,
  step,
  label,
  hint,
}: Omit<FieldTexts, 'fault'> & {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly least: number;
  readonly most: number;
  /** Distance of neighbouring values. */
  readonly step: number;
}) {
  const id = useId();
  const texts = hint === undefined ? { label } : { label, hint };
  return (
    <Field id={id} {...texts}>
      <div className="range">
        <input
          id={id}
          type="range"
          min={least}
          max={most}
          step={step}
          value={value}
          aria-describedby={describedBy(id, texts)}
          onChange={(event) => onChange(Number(event.target.value))}
        />
        <span aria-hidden="true">{value}</span>
      </div>
    </Field>
  );
}

/** A number between bounds. What is typed stays as it is; `onChange` hears of it when it is a number within them. */
export function NumberField({
  value,
  onChange,
  least,
  most,
  step = 1,
  suffix,
  beside,
  ...texts
}: FieldTexts & {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly least: number;
  readonly most: number;
  /** Distance of neighbouring values; 1 takes whole numbers alone. */
  readonly step?: number | 'any';
  /** Unit behind the number. */
  readonly suffix?: string;
  /** A further control beside the number. */
  readonly beside?: ReactNode;
}) {
  const id = useId();
  const [typed, setTyped] = useState(String(value));
  useEffect(() => setTyped((now) => (now !== '' && Number(now) === value ? now : String(value))), [value]);
  const number = Number(typed);
  const isWithin =
    typed.trim() !== '' && number >= least && number <= most && (step !== 1 || Number.isInteger(number));
  const kind = step === 1 ? 'a whole number' : 'a number';
  const fault = texts.fault ?? (isWithin ? null : `Expected ${kind} from ${least} to ${most}.`);
  return (
    <Field id={id} {...texts} fault={fault}>
      <div className="with-side">
        <input
          id={id}
          type="number"
          inputMode={step === 1 ? 'numeric' : 'decimal'}
          min={least}
          max={most}
          step={step}
          value={typed}
          aria-describedby={describedBy(id, { ...texts, fault })}
          aria-invalid={fault ? true : undefined}
          onChange={(event) => {
            const entered = event.target.value;
            setTyped(entered);
            const next = Number(entered);
            if (
              entered.trim() !== '' &&
              next >= least &&
              next <= most &&
              (step !== 1 || Number.isInteger(next))
            )
              onChange(next);
          }}
          onBlur={() => isWithin || setTyped(String(value))}
        />
        {suffix && <span className="muted">{suffix}</span>}
        {beside}
      </div>
    </Field>
  );
}

/** One of several choices in a list. */
export function SelectField<Value extends string>({
  value,
  onChange,
  options,
  ...texts
}: FieldTexts & {
  readonly value: Value;
  readonly onChange: (value: Value) => void;
  readonly options: readonly { readonly value: Value; readonly label: string; readonly disabled?: boolean }[];
}) {
  const id = useId();
  return (
    <Field id={id} {...texts}>
      <select
        id={id}
        value={value}
        aria-describedby={describedBy(id, texts)}
        onChange={(event) => onChange(event.target.value as Value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** Something that is on or off. */
export function Switch({
  checked,
  onChange,
  label,
  hint,
  disabled = false,
}: {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly label: string;
  readonly hint?: string;
  readonly disabled?: boolean;
}) {
  const id = useId();
  return (
    <div className="switch-field">
      <input
        id={id}
        type="checkbox"
        role="switch"
        className="switch"
        checked={checked}
        aria-checked={checked}
        disabled={disabled}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <p id={`${id}-hint`} className="hint">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

/** One of a few choices that are all visible. */
export function Segmented<Value extends string>({
  legend,
  value,
  onChange,
  options,
}: {
  readonly legend: string;
  readonly value: Value;
  readonly onChange: (value: Value) => void;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
}) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend>{legend}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={name}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Settings that most people leave as they are. */
export function More({ summary, children }: { readonly summary: string; readonly children: ReactNode }) {
  return (
    <details className="more">
      <summary>{summary}</summary>
      <div className="stack">{children}</div>
    </details>
  );
}
