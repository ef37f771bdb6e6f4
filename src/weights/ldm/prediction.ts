/** What a single-file checkpoint's U-Net predicts, noise or velocity: stated in the file, beside it, or the usual for its family. */

import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { isJsonObject } from '../json_file.ts';
import { openSafetensors } from '../safetensors.ts';
import type { WeightSource } from '../weight_source.ts';

/** What a U-Net is trained to predict, as scheduler configurations call it. */
export type PredictionType = 'epsilon' | 'v_prediction';

/** Both, for choices. */
export const PREDICTION_TYPES: readonly PredictionType[] = Object.freeze(['epsilon', 'v_prediction']);

/** Training step at which Stable Diffusion 2 base (512 pixels, epsilon) was saved. */
const STEP_OF_2_BASE = 875_000;

function fromMetadata(path: string): PredictionType | null {
  const stated = openSafetensors(path).metadata['modelspec.prediction_type'];
  if (stated === undefined) return null;
  return /^v/.test(stated) ? 'v_prediction' : stated === 'epsilon' ? 'epsilon' : null;
}

/** `model.params.parameterization` of the YAML file that lies beside many checkpoints; `eps` where it says nothing. */
function fromYaml(path: string): PredictionType | null {
  const file = path.replace(/\.safetensors$/, '.yaml');
  if (!existsSync(file)) return null;
  const content: unknown = parse(readFileSync(file, 'utf8'));
  const model = isJsonObject(content) ? content.model : null;
  const params = isJsonObject(model) ? model.params : null;
  if (!isJsonObject(params))
    throw new Error(`${file}: expected model.params, as configurations of checkpoints have`);
  return params.parameterization === 'v' ? 'v_prediction' : 'epsilon';
}

/**
 * What the U-Net predicts: by `modelspec.prediction_type` in the file's header, by a tensor `v_pred`, by the YAML file beside it,
 * or else, as diffusers has it, epsilon for Stable Diffusion 1 and for the 2 base of step 875000, velocity for every other 2.
 * @param isVersion2 whether the text encoder is OpenCLIP
 */
export function inferPrediction(path: string, source: WeightSource, isVersion2: boolean): PredictionType {
  const stated = fromMetadata(path) ?? (source.has('v_pred') ? 'v_prediction' : null) ?? fromYaml(path);
  if (stated !== null) return stated;
  if (!isVersion2) return 'epsilon';
  const step = source.has('global_step') ? source.readFloat32('global_step')[0] : undefined;
  return step === STEP_OF_2_BASE ? 'epsilon' : 'v_prediction';
}
