/** The form of Audit. */

import type { Adapter, Model, PromptSet } from '../api/types.ts';
import { AdapterField, ModelField } from '../components/choices.tsx';
import { More, NumberField, Switch } from '../components/controls.tsx';
import { PromptSourceEditor } from '../components/prompt_source_editor.tsx';
import { TargetEditor } from '../components/target_editor.tsx';
import { counted } from '../lib/format.ts';
import type { AuditSettings } from './settings.ts';
import { auditFault, auditPrompts } from './settings.ts';

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
  readonly model: Model | null;
  readonly adapters: readonly Adapter[];
  readonly promptSets: readonly PromptSet[];
  readonly isSending: boolean;
  readonly start: () => void;
}) {
  const attributes = model?.attributes ?? [];
  const set = promptSets.find(({ name }) => name === settings.source.set);
  const prompts = auditPrompts(settings, set?.test ?? null);
  const images = prompts * settings.imagesPerPrompt * (settings.adapter === '' ? 1 : 2);
  const fault = model === null ? null : auditFault(settings, attributes);
  return (
    <form
      className="controls"
      aria-label="Audit"
      onSubmit={(event) => {
        event.preventDefault();
        if (fault === null) start();
      }}
    >
      <PromptSourceEditor
        source={settings.source}
        promptSets={promptSets}
        split="test"
        withCount
        onChange={(source) => change({ source })}
      />
      <NumberField
        label="Images of each prompt"
        value={settings.imagesPerPrompt}
        least={1}
        most={1024}
        hint={`${counted(images, 'image')} in all. More images make the intervals narrower.`}
        onChange={(imagesPerPrompt) => change({ imagesPerPrompt })}
      />
      <TargetEditor
        legend="Measure against"
        attributes={attributes}
        draft={settings.target}
        onChange={(target) => change({ target })}
      />
      <AdapterField
        value={settings.adapter}
        adapters={adapters}
        hint={
          settings.adapter === '' ? '' : 'The model is measured without and with it, from the same noise.'
        }
        onChange={(adapter) => change({ adapter })}
      />
      <button
        type="submit"
        className="primary"
        disabled={isSending || fault !== null || model?.canEvaluate === false}
      >
        {isSending ? 'Sending…' : 'Start the audit'}
      </button>
      {fault !== null && <p className="fault">{fault}</p>}
      {model?.canEvaluate === false && (
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
          value={model?.name ?? ''}
          models={models}
          onChange={(name) => change({ model: name, adapter: '' })}
        />
      </More>
    </form>
  );
}
