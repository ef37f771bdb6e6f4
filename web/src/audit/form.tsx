/** The form of Audit. */

import type { Adapter, Model, PromptSet } from '../api/types.ts';
import { AimEditor } from '../components/aim_editor.tsx';
import { AdapterFields, ModelField } from '../components/choices.tsx';
import { More, NumberField, Switch } from '../components/controls.tsx';
import { aimFault } from '../lib/aim.ts';
import { counted } from '../lib/format.ts';
import type { AuditSettings } from './settings.ts';
import { auditPrompts } from './settings.ts';

/** All settings and the button. */
export function AuditForm({
  settings,
  change,
  models,
  model,
  adapters,
  promptSets,
  isSending,
  start,
}: {
  readonly settings: AuditSettings;
  readonly change: (part: Partial<AuditSettings>) => void;
  readonly models: readonly Model[];
  readonly model: Model;
  readonly adapters: readonly Adapter[];
  readonly promptSets: readonly PromptSet[];
  readonly isSending: boolean;
  readonly start: () => void;
}) {
  const { attributes } = model;
  const sizes = new Map(promptSets.map(({ name, test }) => [name, test]));
  const prompts = auditPrompts(settings, sizes);
  const images = prompts * settings.imagesPerPrompt * (settings.adapter === '' ? 1 : 2);
  const fault = aimFault(settings, attributes);
  const isBlocked = fault !== null || !model.canEvaluate;
  return (
    <form
      className="controls"
      aria-label="Audit"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBlocked) start();
      }}
    >
      <AimEditor
        legend="Measure against"
        attributes={attributes}
        aim={settings}
        promptSets={promptSets}
        split="test"
        withCount
        onChange={change}
      />
      {settings.byGroup && (
        <NumberField
          label="Prompts of each group, at most"
          value={settings.source.count}
          least={1}
          most={5000}
          onChange={(count) => change({ source: { ...settings.source, count } })}
        />
      )}
      <NumberField
        label="Images of each prompt"
        value={settings.imagesPerPrompt}
        least={1}
        most={1024}
        hint={`${counted(images, 'image')} in all. More images make the intervals narrower.`}
        onChange={(imagesPerPrompt) => change({ imagesPerPrompt })}
      />
      <AdapterFields
        value={settings}
        adapters={adapters}
        hint={
          settings.adapter === '' ? '' : 'The model is measured without and with it, from the same noise.'
        }
        onChange={change}
      />
      <button type="submit" className="primary" disabled={isBlocked || isSending}>
        {isSending ? 'Sending…' : 'Start the audit'}
      </button>
      {fault !== null && <p className="fault">{fault}</p>}
      {!model.canEvaluate && (
        <p className="fault">{model.name} has no face detector and evaluating classifier beside it.</p>
      )}
      <More summary="Steps, seed, named attributes, model">
        <div className="pair">
          <NumberField
            label="Steps"
            value={settings.steps}
            least={1}
            most={1000}
            onChange={(steps) => change({ steps })}
          />
          <NumberField
            label="First seed"
            value={settings.seed}
            least={0}
            most={2 ** 32 - 1}
            onChange={(seed) => change({ seed })}
          />
        </div>
        <Switch
          label="Also prompts that name attributes"
          hint="Measures whether “an old Black woman” is drawn as asked for."
          checked={settings.explicit}
          onChange={(explicit) => change({ explicit })}
        />
        <ModelField
          value={model.name}
          models={models}
          onChange={(name) => change({ model: name, adapter: '' })}
        />
      </More>
    </form>
  );
}
