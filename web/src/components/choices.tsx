/** Choices among what the server has, as several forms offer them. */

import type { Adapter, Model } from '../api/types.ts';
import { SelectField } from './controls.tsx';

/** The model as it is, or one of its adapters by id. */
export function AdapterField({
  value,
  adapters,
  hint,
  onChange,
}: {
  /** Id; empty for none. */
  readonly value: string;
  readonly adapters: readonly Adapter[];
  readonly hint?: string;
  readonly onChange: (id: string) => void;
}) {
  return (
    <SelectField
      label="Adapter"
      value={value}
      options={[
        { value: '', label: 'none: the model as it is' },
        ...adapters.map(({ id, name, origin }) => ({
          value: id,
          label: origin === 'best' ? `${name} (best validation)` : name,
        })),
      ]}
      {...(hint === undefined ? {} : { hint })}
      onChange={onChange}
    />
  );
}

/** One of the models by name; those that `fits` refuses are shown and cannot be chosen. */
export function ModelField({
  label = 'Model',
  value,
  models,
  fits = () => true,
  describe = ({ name }) => name,
  onChange,
}: {
  readonly label?: string;
  readonly value: string;
  readonly models: readonly Model[];
  readonly fits?: (model: Model) => boolean;
  /** A model in a line. */
  readonly describe?: (model: Model) => string;
  readonly onChange: (name: string) => void;
}) {
  return (
    <SelectField
      label={label}
      value={value}
      options={models.map((model) => ({
        value: model.name,
        label: describe(model),
        disabled: !fits(model),
      }))}
      onChange={onChange}
    />
  );
}
