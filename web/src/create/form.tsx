/** The form of Create. */

import type { ReactNode } from 'react';
import type { Adapter, Model } from '../api/types.ts';
import { AdapterFields, ModelField } from '../components/choices.tsx';
import { More, NumberField, Switch, TextField } from '../components/controls.tsx';
import { DiceIcon } from '../components/icons.tsx';
import type { CreateSettings } from './settings.ts';
import { guidanceOf, LIMITS, randomSeed } from './settings.ts';
import { Understood } from './understood.tsx';

/** All settings, the prompt first, and the button. */
export function CreateForm({
  settings,
  change,
  models,
  model,
  adapters,
  isSending,
  draw,
  runOn,
}: {
  readonly settings: CreateSettings;
  readonly change: (part: Partial<CreateSettings>) => void;
  readonly models: readonly Model[];
  /** The model that the settings name. */
  readonly model: Model | null;
  /** Adapters of that model. */
  readonly adapters: readonly Adapter[];
  readonly isSending: boolean;
  readonly draw: () => void;
  /** The choice where to draw. */
  readonly runOn: ReactNode;
}) {
  const [leastImages, mostImages] = LIMITS.images;
  return (
    <form
      className="controls"
      aria-label="Drawing"
      onSubmit={(event) => {
        event.preventDefault();
        draw();
      }}
    >
      <TextField
        label="Prompt"
        rows={3}
        value={settings.prompt}
        onChange={(prompt) => change({ prompt })}
        onSubmit={draw}
      />
      <Understood prompt={settings.prompt} />
      <div className="pair">
        <NumberField
          label="Images"
          value={settings.images}
          least={leastImages}
          most={mostImages}
          onChange={(images) => change({ images })}
        />
        <NumberField
          label="Seed"
          value={settings.seed}
          least={LIMITS.seed[0]}
          most={LIMITS.seed[1]}
          onChange={(seed) => change({ seed })}
          beside={
            <button
              type="button"
              className="icon"
              aria-label="Another seed"
              title="Another seed"
              onClick={() => change({ seed: randomSeed() })}
            >
              <DiceIcon />
            </button>
          }
        />
      </div>
      <AdapterFields value={settings} adapters={adapters} onChange={change} />
      {settings.adapter !== '' && (
        <Switch
          label="Also without it, side by side"
          hint="Each pair starts from the same noise."
          checked={settings.compare}
          onChange={(compare) => change({ compare })}
        />
      )}
      {runOn}
      <button type="submit" className="primary" disabled={isSending || settings.prompt.trim() === ''}>
        {isSending ? 'Sending…' : 'Draw'}
      </button>
      <p className="small muted keys-hint">Ctrl + Enter in the prompt draws, too.</p>
      <More summary="Negative prompt, steps, guidance, model">
        <TextField
          label="Negative prompt"
          rows={2}
          value={settings.negativePrompt}
          onChange={(negativePrompt) => change({ negativePrompt })}
        />
        <div className="pair">
          <NumberField
            label="Steps"
            value={settings.steps}
            least={LIMITS.steps[0]}
            most={LIMITS.steps[1]}
            onChange={(steps) => change({ steps })}
          />
          <NumberField
            label="Guidance"
            step="any"
            value={guidanceOf(settings, model)}
            least={LIMITS.guidanceScale[0]}
            most={LIMITS.guidanceScale[1]}
            onChange={(guidanceScale) => change({ guidanceScale })}
          />
        </div>
        <Switch
          label="A new seed for each drawing"
          checked={settings.newSeed}
          onChange={(newSeed) => change({ newSeed })}
        />
        <ModelField
          value={model?.name ?? ''}
          models={models}
          describe={({ name, side }) => `${name} (${side} × ${side})`}
          onChange={(name) => change({ model: name, guidanceScale: null, adapter: '' })}
        />
      </More>
    </form>
  );
}
