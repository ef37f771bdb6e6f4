/** The settings of Create: kept as a draft, carried by links, and sent as requests. */

import type { GenerateRequest, Model } from '../api/types.ts';
import { ADAPTER_SCALES } from '../lib/adapter_scale.ts';
import { fieldsOf, flag, numeric, text } from '../lib/read.ts';

/** Everything that decides which images are drawn. */
export interface CreateSettings {
  /** Name of a model; empty for the server's default. */
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Images that are drawn. */
  readonly images: number;
  readonly seed: number;
  /** Whether each drawing takes a new seed. */
  readonly newSeed: boolean;
  readonly steps: number;
  /** `null` for the model's own. */
  readonly guidanceScale: number | null;
  /** Id of an adapter; empty for none. */
  readonly adapter: string;
  /** How strongly the adapter counts; 1 as trained. */
  readonly adapterScale: number;
  /** Whether the images are also drawn without the adapter, from the same noise. */
  readonly compare: boolean;
}

/** Bounds of the settings, within those of the API. */
export const LIMITS = Object.freeze({
  images: [1, 64],
  seed: [0, 2 ** 32 - 1],
  steps: [1, 200],
  guidanceScale: [1, 30],
  adapterScale: ADAPTER_SCALES,
} as const);

/** Settings at the first visit. */
export const FIRST_SETTINGS: CreateSettings = Object.freeze({
  model: '',
  prompt: 'a photo of the face of a doctor, a person',
  negativePrompt: '',
  images: 8,
  seed: 7,
  newSeed: false,
  steps: 20,
  guidanceScale: null,
  adapter: '',
  adapterScale: 1,
  compare: true,
});

/** Settings from storage or a link; what doesn't fit has its value of `base`. */
export function readSettings(stored: unknown, base: CreateSettings = FIRST_SETTINGS): CreateSettings {
  const fields = fieldsOf(stored);
  const whole = (name: 'images' | 'seed' | 'steps') =>
    Math.round(numeric(fields[name], base[name], ...LIMITS[name]));
  return {
    model: text(fields.model, base.model),
    prompt: text(fields.prompt, base.prompt),
    negativePrompt: text(fields.negativePrompt, base.negativePrompt),
    images: whole('images'),
    seed: whole('seed'),
    newSeed: flag(fields.newSeed, base.newSeed),
    steps: whole('steps'),
    guidanceScale: numeric(fields.guidanceScale, base.guidanceScale, ...LIMITS.guidanceScale),
    adapter: text(fields.adapter, base.adapter),
    adapterScale: numeric(fields.adapterScale, base.adapterScale, ...LIMITS.adapterScale),
    compare: flag(fields.compare, base.compare),
  };
}

/** Settings as parameters of a link. All are written, so that another reader's drafts change nothing. */
export function settingsToLink(settings: CreateSettings): URLSearchParams {
  const { newSeed: _, ...shared } = settings;
  return new URLSearchParams(
    Object.entries(shared)
      .filter(([, value]) => value !== null && value !== '')
      .map(([name, value]) => [name, typeof value === 'boolean' ? String(Number(value)) : String(value)]),
  );
}

/**
 * Settings of a link. One with a prompt is complete: what it doesn't name has its value of the first visit. One without, such
 * as a page's hint to try an adapter, changes what it names in `current`.
 */
export function settingsFromLink(parameters: URLSearchParams, current: CreateSettings): CreateSettings {
  const base = parameters.has('prompt') ? { ...FIRST_SETTINGS, compare: false } : current;
  return readSettings(Object.fromEntries(parameters), base);
}

/** The request for these settings, with or without their adapter. */
export function generateRequest(settings: CreateSettings, withAdapter: boolean): GenerateRequest {
  const { model, prompt, negativePrompt, images, seed, steps, guidanceScale, adapter, adapterScale } =
    settings;
  return {
    kind: 'generate',
    ...(model === '' ? {} : { model }),
    ...(withAdapter && adapter !== '' ? { adapter, ...(adapterScale === 1 ? {} : { adapterScale }) } : {}),
    prompts: [prompt],
    negativePrompt,
    imagesPerPrompt: images,
    seed,
    steps,
    ...(guidanceScale === null ? {} : { guidanceScale }),
    previews: Math.min(4, Math.max(0, steps - 1)),
  };
}

/** A seed at random, as large as other programs read. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** Guidance scale that is used where the settings name none. */
export function guidanceOf(settings: CreateSettings, model: Model | null): number {
  return settings.guidanceScale ?? model?.guidanceScale ?? 7.5;
}
