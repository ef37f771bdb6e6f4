/** Text fields of exported files: what an adapter was trained for, how fair it was measured to be, and what it belongs to. */

import type { TextToImageModel } from '../../diffusion/model.ts';
import type { MeasuredAdapter } from './measured.ts';

/** What is known of an adapter that is exported. */
export interface ExportedFacts {
  /** Version of this program. */
  readonly version: string;
  /** Name of the base model. */
  readonly model: string;
  /** SHA-256 of the base model's U-Net. */
  readonly modelHash: string;
  /** SHA-256 of the file that is exported; null for a folder. */
  readonly sourceHash: string | null;
  /** Fields that the adapter has already. */
  readonly header: Readonly<Record<string, string>>;
  /** What it was trained for. */
  readonly target?: unknown;
  readonly measured: MeasuredAdapter | null;
  readonly title: string;
}

/** Which kind of file the fields are for, as ModelSpec names it. */
export type ExportedKind = 'lora' | 'textual-inversion';

/**
 * Fields of an exported file's header: `evenhand.*`, those of ModelSpec 1.0.0 (github.com/Stability-AI/ModelSpec) and those by which
 * AUTOMATIC1111 tells Stable Diffusion 1 from 2.
 */
export function exportMetadata(
  facts: ExportedFacts,
  model: Pick<TextToImageModel, 'textEncoder' | 'defaultSide' | 'scheduler'>,
  kind: ExportedKind,
): Record<string, string> {
  const { header, measured, modelHash, sourceHash, target } = facts;
  const kept = Object.entries(header).filter(([key]) => key.startsWith('evenhand.'));
  return {
    ...Object.fromEntries(kept),
    'evenhand.version': facts.version,
    'evenhand.model': facts.model,
    'evenhand.model.sha256': modelHash,
    ...(target === undefined ? {} : { 'evenhand.target': JSON.stringify(target) }),
    ...(sourceHash === null ? {} : { 'evenhand.source.sha256': sourceHash }),
    ...(measured === null ? {} : measuredFields(measured)),
    ...familyFields(facts, model, kind),
  };
}

function measuredFields({ created, bias, classifiers }: MeasuredAdapter): Record<string, string> {
  return {
    'evenhand.bias': JSON.stringify(bias),
    'evenhand.classifiers': JSON.stringify(classifiers.map(({ name, hash = null }) => ({ name, hash }))),
    'evenhand.measured': created,
  };
}

/** Widths of the text encoders of the families that other programs know. */
const FAMILIES: Readonly<Record<number, 1 | 2>> = Object.freeze({ 768: 1, 1024: 2 });

function familyFields(
  { title }: ExportedFacts,
  {
    textEncoder,
    defaultSide,
    scheduler,
  }: Pick<TextToImageModel, 'textEncoder' | 'defaultSide' | 'scheduler'>,
  kind: ExportedKind,
): Record<string, string> {
  const family = FAMILIES[textEncoder.config.hidden_size];
  if (family === undefined) return {};
  const isVelocity = scheduler.prediction === 'v_prediction';
  const second = isVelocity ? 'stable-diffusion-v2-768-v' : 'stable-diffusion-v2-512';
  const ofKohya: Record<string, string> =
    kind === 'lora' ? { ss_base_model_version: `sd_v${family}`, ss_v2: family === 1 ? 'False' : 'True' } : {};
  return {
    ...ofKohya,
    'modelspec.sai_model_spec': '1.0.0',
    'modelspec.architecture': `${family === 1 ? 'stable-diffusion-v1' : second}/${kind}`,
    'modelspec.implementation': 'diffusers',
    'modelspec.title': title,
    'modelspec.resolution': `${defaultSide}x${defaultSide}`,
    'modelspec.prediction_type': isVelocity ? 'v' : 'epsilon',
  };
}
