/** Choices among what the server has, as several forms offer them. */

import type { Adapter, Model } from '../api/types.ts';
import type { AdapterChoice } from '../lib/adapter_scale.ts';
import { ADAPTER_SCALES, hasScale } from '../lib/adapter_scale.ts';
import { RangeField, SelectField } from './controls.tsx';

/** The model as it is, or one of its adapters by id and, where it can have one, its strength. */
export function AdapterFields({
  value: { adapter, adapterScale },
  adapters,
  hint,
  onChange,
}: {
  readonly value: AdapterChoice;
  readonly adapters: readonly Adapter[];
  readonly hint?: string;
  readonly onChange: (choice: Partial<AdapterChoice>) => void;
}) {
  const [least, most] = ADAPTER_SCALES;
  return (
    <>
      <SelectField
        label="Adapter"
        value={adapter}
        options={[
          { value: '', label: 'none: the model as it is' },
          ...adapters.map(({ id, name, origin }) => ({
            value: id,
            label: origin === 'best' ? `${name} (best validation)` : name,
          })),
        ]}
        {...(hint === undefined ? {} : { hint })}
        onChange={(id) => onChange({ adapter: id, ...(hasScale(id, adapters) ? {} : { adapterScale: 1 }) })}
      />
      {hasScale(adapter, adapters) && (
        <RangeField
          label="Strength"
          hint="1 as it was trained, 0 for the model as it is."
          value={adapterScale}
          least={least}
          most={most}
          step={0.05}
          onChange={(scale) => onChange({ adapterScale: scale })}
        />
      )}
    </>
  );
}

/** What stands in place of a form until the server's models are known: without their attributes there is no target. */
export function ModelAwaited({ models }: { readonly models: readonly Model[] | null }) {
  return (
    <p className="hint">
      {models?.length === 0 ? 'The server has no model.' : 'Reading the models of the server…'}
    </p>
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
