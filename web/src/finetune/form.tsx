/** The form of Fine-tune: concepts and target, prompts, what is trained, and the cost before the start. */

import type { Estimate, Model, PromptSet } from '../api/types.ts';
import { AimEditor } from '../components/aim_editor.tsx';
import { ModelField } from '../components/choices.tsx';
import { More, NumberField, SelectField, Switch, TextField } from '../components/controls.tsx';
import { ErrorNotice, Notice } from '../components/notice.tsx';
import { bytes, count, duration } from '../lib/format.ts';
import type { FinetuneSettings, PartName } from './settings.ts';
import { cellsOf, finetuneFault, PARTS, unreachable } from './settings.ts';

/** Trained parts as choices. */
const PART_OPTIONS = Object.entries(PARTS).map(([value, label]) => ({ value: value as PartName, label }));

/** How an estimate stands. */
export interface EstimateState {
  readonly isRunning: boolean;
  readonly estimate: Estimate | null;
  /** Whether settings changed since it was made. */
  readonly isOutdated: boolean;
  readonly error: unknown;
}

function EstimateView({ state }: { readonly state: EstimateState }) {
  const { estimate, isOutdated, error } = state;
  if (error !== null) return <ErrorNotice error={error} />;
  if (estimate === null) return null;
  return (
    <div className={isOutdated ? 'card outdated' : 'card'}>
      <p className="headline-number">
        {duration(estimate.seconds)}{' '}
        <span className="small muted">for {count(estimate.iterations)} iterations</span>
      </p>
      <dl className="facts small">
        <dt>An iteration</dt>
        <dd>
          {duration(estimate.secondsPerIteration)}, {count(estimate.imagesPerIteration)} images
        </dd>
        <dt>Work</dt>
        <dd>{count(Math.round(estimate.unitsPerIteration))} U-Net evaluations</dd>
        <dt>Trained</dt>
        <dd>{count(estimate.parameters)} numbers</dd>
        <dt>Memory</dt>
        <dd>about {bytes(estimate.peakBytes)} at most</dd>
      </dl>
      {isOutdated && <p className="small fault">Settings changed since: estimate again.</p>}
    </div>
  );
}

/** What stands between the target and a batch of images. */
function Achievable({
  settings,
  attributes,
}: {
  readonly settings: FinetuneSettings;
  readonly attributes: Model['attributes'];
}) {
  const problems = unreachable(settings, attributes, settings.imagesPerPrompt);
  const cells = cellsOf(settings, attributes);
  if (problems.length > 0) {
    return (
      <Notice kind="warn">
        <p>
          <strong>Not achievable with {settings.imagesPerPrompt} images a prompt</strong>
        </p>
        {problems.map((problem) => (
          <p key={problem} className="small">
            {problem}
          </p>
        ))}
      </Notice>
    );
  }
  if (cells > settings.imagesPerPrompt) {
    return (
      <Notice kind="warn">
        <p className="small">
          The concepts together have {cells} combinations, more than the {settings.imagesPerPrompt} images of
          a prompt: each batch shows only some of them. More images a prompt steer better.
        </p>
      </Notice>
    );
  }
  return (
    <p className="small good-text" role="status">
      Achievable: every class gets at least one of {settings.imagesPerPrompt} images.
    </p>
  );
}

/** All settings, the estimate and the button. */
export function FinetuneForm({
  settings,
  change,
  models,
  model,
  promptSets,
  estimating,
  estimate,
  isSending,
  start,
}: {
  readonly settings: FinetuneSettings;
  readonly change: (part: Partial<FinetuneSettings>) => void;
  readonly models: readonly Model[];
  readonly model: Model;
  readonly promptSets: readonly PromptSet[];
  readonly estimating: EstimateState;
  readonly estimate: () => void;
  readonly isSending: boolean;
  readonly start: () => void;
}) {
  const { attributes } = model;
  const fault = finetuneFault(settings, attributes);
  const isBlocked = fault !== null || !model.canFinetune;
  return (
    <form
      className="controls"
      aria-label="Fine-tuning"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBlocked) start();
      }}
    >
      <AimEditor
        legend="Concepts and target"
        attributes={attributes}
        aim={settings}
        promptSets={promptSets}
        split="train"
        withCount={false}
        onChange={change}
      >
        {fault === null && <Achievable settings={settings} attributes={attributes} />}
      </AimEditor>
      <div className="pair">
        <NumberField
          label="Iterations"
          value={settings.iterations}
          least={1}
          most={1_000_000}
          onChange={(iterations) => change({ iterations })}
        />
        <NumberField
          label="Images a prompt"
          value={settings.imagesPerPrompt}
          least={1}
          most={1024}
          onChange={(imagesPerPrompt) => change({ imagesPerPrompt })}
        />
      </div>
      <TextField
        label="Name of the adapter"
        value={settings.name}
        placeholder="gender-balanced"
        onChange={(name) => change({ name: name.trim() })}
      />
      <More summary="What is trained, learning rate, validation, stopping">
        <SelectField
          label="Trained part"
          value={settings.part}
          options={PART_OPTIONS}
          onChange={(part) => change({ part })}
        />
        <div className="pair">
          {settings.part !== 'prompt' && (
            <NumberField
              label="Rank"
              value={settings.rank}
              least={1}
              most={1024}
              onChange={(rank) => change({ rank })}
            />
          )}
          <NumberField
            label="Learning rate"
            step="any"
            value={settings.learningRate}
            least={1e-9}
            most={1}
            onChange={(learningRate) => change({ learningRate })}
          />
          {settings.part === 'text-encoder+unet' && (
            <NumberField
              label="Learning rate, text encoder"
              step="any"
              value={settings.textEncoderLearningRate}
              least={0}
              most={1}
              onChange={(textEncoderLearningRate) => change({ textEncoderLearningRate })}
            />
          )}
          <NumberField
            label="Sampling steps"
            value={settings.steps}
            least={1}
            most={1000}
            onChange={(steps) => change({ steps })}
          />
          <NumberField
            label="Timesteps in the gradient"
            value={settings.timesteps}
            least={0}
            most={1000}
            onChange={(timesteps) => change({ timesteps })}
          />
          <NumberField
            label="Keep the rest: weight"
            step="any"
            value={settings.imageWeight}
            least={0}
            most={1000}
            onChange={(imageWeight) => change({ imageWeight })}
          />
          <NumberField
            label="Seed"
            value={settings.seed}
            least={0}
            most={1023}
            onChange={(seed) => change({ seed })}
          />
          <NumberField
            label="Validate every"
            value={settings.validateEvery}
            least={0}
            most={1_000_000}
            onChange={(validateEvery) => change({ validateEvery })}
          />
          <NumberField
            label="Checkpoint every"
            value={settings.checkpointEvery}
            least={1}
            most={1_000_000}
            onChange={(checkpointEvery) => change({ checkpointEvery })}
          />
        </div>
        <p className="hint">
          0 timesteps means all; 0 validations means none, and then there is no best checkpoint.
          {settings.part === 'text-encoder+unet' &&
            ' A text encoder at 0 has the learning rate of the U-Net.'}
        </p>
        <Switch
          label="End once on target"
          hint="When the interval of the validated distance, less the noise floor, lies within the distance below."
          checked={settings.stopsEarly}
          onChange={(stopsEarly) => change({ stopsEarly })}
        />
        {settings.stopsEarly && (
          <NumberField
            label="Distance that counts as on target"
            step="any"
            value={settings.stopDistance}
            least={0}
            most={1}
            onChange={(stopDistance) => change({ stopDistance })}
          />
        )}
        <ModelField
          value={model.name}
          models={models}
          fits={({ canFinetune }) => canFinetune}
          onChange={(name) => change({ model: name })}
        />
      </More>
      {fault !== null && <p className="fault">{fault}</p>}
      {!model.canFinetune && (
        <p className="fault">{model.name} lacks the judges (detector, classifier) that fine-tuning needs.</p>
      )}
      <div aria-live="polite" className="stack">
        <EstimateView state={estimating} />
      </div>
      <div className="pair">
        <button type="button" disabled={isBlocked || estimating.isRunning} onClick={estimate}>
          {estimating.isRunning ? 'Measuring…' : 'Estimate the cost'}
        </button>
        <button type="submit" className="primary" disabled={isBlocked || isSending}>
          {isSending ? 'Sending…' : 'Start'}
        </button>
      </div>
    </form>
  );
}
