/** One drawing in the gallery: its images as they come, beside those of the plain model where both were asked for. */

import { serverUrl } from '../api/client.ts';
import { failureOf } from '../api/errors.ts';
import type { JobState } from '../api/job_state.ts';
import { isFinal } from '../api/job_state.ts';
import type { GeneratedImage } from '../api/types.ts';
import { ErrorNotice, Notice } from '../components/notice.tsx';
import { Progress } from '../components/progress.tsx';
import { useDrawing } from '../inference/device.ts';
import { isDeviceJob } from '../inference/device_job.ts';
import { counted, duration, moment } from '../lib/format.ts';
import type { Drawing } from './drawings.ts';
import { Judge } from './judge.tsx';
import type { Looked } from './lightbox.tsx';
import { CopyLink } from './lightbox.tsx';
import type { CreateSettings } from './settings.ts';

function Tile({
  state,
  index,
  seed,
  label,
  onLook,
}: {
  readonly state: JobState;
  readonly index: number;
  readonly seed: number;
  readonly label: string;
  readonly onLook: (image: GeneratedImage) => void;
}) {
  const image = state.images.get(index);
  if (image !== undefined) {
    return (
      <button type="button" className="tile" onClick={() => onLook(image)}>
        <img src={serverUrl(image.url)} alt={`${image.prompt}, seed ${image.seed}${label}`} loading="lazy" />
      </button>
    );
  }
  const preview = state.previews.get(index);
  if (preview !== undefined) {
    return (
      <div className="tile">
        <img
          src={preview.url}
          alt={`Preview after step ${preview.step} of ${preview.steps}, seed ${seed}${label}`}
        />
        <span className="tile-step" aria-hidden="true">
          {preview.step}/{preview.steps}
        </span>
      </div>
    );
  }
  const isOver = state.job !== null && isFinal(state.job.status);
  return <div className="tile waiting">{isOver ? <span className="small muted">not drawn</span> : null}</div>;
}

/** How a job stands, in words for the progress bar. */
function standing({ job, progress }: JobState, drawn: number, all: number): string {
  if (job === null) return 'Asking the server';
  if (job.status === 'queued' && isDeviceJob(job.id)) return 'Getting this device ready';
  if (job.status === 'queued') {
    return job.ahead ? `Waiting behind ${counted(job.ahead, 'job')}` : 'Waiting for a worker';
  }
  if (progress === null || drawn > 0) return `Drawn ${drawn} of ${counted(all, 'image')}`;
  return `Step ${progress.step} of ${progress.steps}`;
}

function shareDone({ progress }: JobState, drawn: number, all: number): number {
  const steps = progress === null || progress.steps === 0 ? 0 : progress.step / progress.steps;
  return Math.max(drawn / all, steps);
}

/** A drawing with its heading, progress and images. */
export function DrawingView({
  drawing,
  adapterName,
  canJudge,
  onLook,
  onUse,
  onForget,
  onCancel,
}: {
  readonly drawing: Drawing;
  /** Name of the drawing's adapter; empty without one. */
  readonly adapterName: string;
  /** Whether the server has judges for the drawing's model. */
  readonly canJudge: boolean;
  readonly onLook: (looked: Looked) => void;
  readonly onUse: (settings: CreateSettings) => void;
  readonly onForget: () => void;
  readonly onCancel: () => void;
}) {
  const [state, follow] = useDrawing(drawing.job);
  const [plain, followPlain] = useDrawing(drawing.plainJob);
  const { settings } = drawing;
  const seeds = Array.from({ length: settings.images }, (_, index) => settings.seed + index);
  const both = drawing.plainJob !== null;
  const states = both ? [plain, state] : [state];
  const all = settings.images * states.length;
  const drawn = states.reduce((sum, { images }) => sum + images.size, 0);
  const isOver = states.every(({ job, error }) => error !== null || (job !== null && isFinal(job.status)));
  const failed = states.find(({ job }) => job?.status === 'failed')?.job?.error;
  const error = states.find((each) => each.error !== null)?.error ?? null;
  const done = states.reduce((sum, each) => sum + shareDone(each, each.images.size, settings.images), 0);
  const left = states.reduce((sum, { progress }) => sum + (progress?.secondsLeft ?? 0), 0);
  const look = (variant: string) => (image: GeneratedImage) =>
    onLook({ image, variant, settings: variant === 'without' ? { ...settings, adapter: '' } : settings });
  return (
    <article className="drawing">
      <header>
        <h2>{settings.prompt}</h2>
        <p className="small muted">
          {moment(drawing.at)} · {counted(settings.images, 'image')} · seed {settings.seed} · {settings.steps}{' '}
          steps
          {settings.guidanceScale !== null && ` · guidance ${settings.guidanceScale}`}
          {adapterName !== '' && ` · ${adapterName}`}
          {adapterName !== '' && settings.adapterScale !== 1 && ` at strength ${settings.adapterScale}`}
          {isDeviceJob(drawing.job) && ' · on this device'}
        </p>
      </header>
      {!isOver && (
        <div className="row progress-row" aria-live="polite">
          <Progress
            label={standing(states.find(({ job }) => job && !isFinal(job.status)) ?? state, drawn, all)}
            done={done}
            all={states.length}
            {...(left > 0 ? { detail: `${duration(left)} left` } : {})}
          />
          <button type="button" className="quiet" onClick={onCancel}>
            Cancel
          </button>
        </div>
      )}
      {states.some(({ connected }) => !connected) && !isOver && (
        <Notice kind="warn">The connection broke; it is being taken up again. Drawing goes on.</Notice>
      )}
      {failed && <ErrorNotice error={failureOf(failed)} />}
      <ErrorNotice
        error={error}
        retry={() => {
          follow();
          followPlain();
        }}
      />
      <ul className={both ? 'gallery pairs' : 'gallery'}>
        {seeds.map((seed, index) => (
          <li key={seed}>
            {both ? (
              <figure className="twins">
                <Tile
                  state={plain}
                  index={index}
                  seed={seed}
                  label=", without adapter"
                  onLook={look('without')}
                />
                <Tile
                  state={state}
                  index={index}
                  seed={seed}
                  label={`, with ${adapterName}`}
                  onLook={look(adapterName)}
                />
                <figcaption className="small muted">
                  <span>without</span>
                  <span>with</span>
                </figcaption>
              </figure>
            ) : (
              <Tile state={state} index={index} seed={seed} label="" onLook={look(adapterName)} />
            )}
          </li>
        ))}
      </ul>
      {canJudge && isOver && isDeviceJob(drawing.job) && (
        <>
          {both && <Judge model={settings.model} images={[...plain.images.values()]} label="without" />}
          <Judge model={settings.model} images={[...state.images.values()]} label={both ? 'with' : ''} />
        </>
      )}
      <footer className="row">
        <CopyLink settings={settings} />
        <button type="button" onClick={() => onUse(settings)}>
          Use settings
        </button>
        <button type="button" className="quiet" onClick={onForget}>
          Remove from this list
        </button>
      </footer>
    </article>
  );
}
