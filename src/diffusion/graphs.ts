/** The graphs of text-to-image generation: prompt encoding, the guided denoiser, and the decoder. */

import type { Value } from '../graph/building.ts';
import {
  add,
  clamp,
  concat,
  expand,
  input,
  mul,
  reshape,
  scale,
  slice,
  split,
  sub,
} from '../graph/building.ts';
import { clipText, clipTextEmbeddings, unet, vaeDecode } from '../models/index.ts';
import type { AdapterLayout } from './adapter.ts';
import { adaptParameters, assertAllAdapted, SOFT_TOKENS_INPUT } from './adapter.ts';
import type { TextToImageModel } from './assemble_model.ts';
import { computedIn } from './precision.ts';
import { paddingBias, withoutPadding } from './text_context.ts';

/** A value with the graph inputs of the adapter that it depends on. */
export interface AdaptedValue {
  readonly value: Value;
  /** The adapter's inputs by name: what can be trained. */
  readonly adapterInputs: ReadonlyMap<string, Value>;
}

/** Tokens that a prompt is padded or cut to. */
export function contextLength(model: TextToImageModel): number {
  return model.textEncoder.config.max_position_embeddings;
}

/**
 * Encodes prompts whose token ids are fed as `ids` [batchSize, length] int64.
 *
 * Soft tokens stand between the start token and the prompt's own tokens; as many fall off at the end.
 * @returns the condition of the U-Net [batchSize, length, width], with zeros behind the prompt where the model masks padding
 */
export function promptContext(
  model: TextToImageModel,
  batchSize: number,
  layout: AdapterLayout,
): AdaptedValue {
  const { config, parameters: base } = model.textEncoder;
  const length = contextLength(model);
  const adapted = adaptParameters(base, 'textEncoder', layout);
  const ids = input('ids', [batchSize, length], 'int64');
  const inputs = new Map<string, Value>();
  let inputsEmbeds = clipTextEmbeddings(config, adapted.parameters, ids);
  if (layout.softTokens > 0) {
    const soft = input(SOFT_TOKENS_INPUT, [layout.softTokens, config.hidden_size]);
    inputs.set(SOFT_TOKENS_INPUT, soft);
    const repeated = expand(reshape(soft, [1, ...soft.shape]), [batchSize, ...soft.shape]);
    const start = slice(inputsEmbeds, { axis: 1, end: 1 });
    const rest = slice(inputsEmbeds, { axis: 1, start: 1, end: length - layout.softTokens });
    inputsEmbeds = concat([start, repeated, rest], 1);
  }
  const encoded = clipText(config, adapted.parameters, { inputsEmbeds }).lastHiddenState;
  const value =
    model.textContext === 'masked' ? withoutPadding(config, encoded, ids, layout.softTokens) : encoded;
  assertAllAdapted(adapted, 'textEncoder', layout);
  for (const [name, adapterInput] of adapted.inputs) inputs.set(name, adapterInput);
  return { value, adapterInputs: inputs };
}

/** Size of the latents of one image, in latent pixels. */
export interface LatentSize {
  readonly height: number;
  readonly width: number;
}

/** The denoiser with classifier-free guidance and the graph inputs that it reads. */
export interface GuidedDenoiser extends AdaptedValue {
  /** What enters [batchSize, channels, h, w], as the sampler scales it for the denoiser. */
  readonly latents: Value;
  /** Condition of the prompts and of the negative prompts, [batchSize, length, width]. */
  readonly condition: Value;
  /** `null` when guidance is off. */
  readonly unconditional: Value | null;
}

/**
 * eps = eps_u + s (eps_c - eps_u) (Ho and Salimans, classifier-free guidance), one U-Net evaluation of twice the batch.
 * Inputs: `latents` [batchSize, channels, h, w], `timestep` [1], `condition_in`, `unconditional_in`, `guidance` [1].
 * @param guided whether there is guidance; without it the output is eps_c and `unconditional_in` and `guidance` are not inputs
 */
export function guidedDenoiser(
  model: TextToImageModel,
  batchSize: number,
  { height, width }: LatentSize,
  layout: AdapterLayout,
  guided: boolean,
): GuidedDenoiser {
  const { config, parameters: base } = model.unet;
  const adapted = adaptParameters(base, 'unet', layout);
  const latents = input('latents', [batchSize, config.in_channels, height, width]);
  const timestep = input('timestep', [1]);
  const contextShape = [batchSize, contextLength(model), model.textEncoder.config.hidden_size];
  const condition = input('condition_in', contextShape);
  const denoise = (x: Value, context: Value) => {
    const bias = model.textContext === 'masked' ? paddingBias(context) : null;
    const timesteps = expand(timestep, [x.shape[0]!]);
    return computedIn(model, unet(config, adapted.parameters, x, timesteps, context, undefined, bias));
  };
  let value: Value;
  let unconditional: Value | null = null;
  if (guided) {
    unconditional = input('unconditional_in', contextShape);
    const both = denoise(concat([latents, latents], 0), concat([unconditional, condition], 0));
    const [without, withPrompt] = split(both, 0, [batchSize, batchSize]) as [Value, Value];
    value = add(without, mul(sub(withPrompt, without), input('guidance', [1])));
  } else {
    value = denoise(latents, condition);
  }
  assertAllAdapted(adapted, 'unet', layout);
  return { value, adapterInputs: adapted.inputs, latents, condition, unconditional };
}

/** The image decoder with the graph input that it reads. */
export interface Decoder {
  /** Images [batchSize, 3, H, W] limited to -1..1. */
  readonly images: Value;
  /** Input `latents` [batchSize, channels, h, w], as the sampler ends with them. */
  readonly latents: Value;
}

/** x = decode(z / scaling factor), limited to -1..1 (its gradient is zero where it is limited, as in the reference). */
export function imageDecoder(
  model: TextToImageModel,
  batchSize: number,
  { height, width }: LatentSize,
): Decoder {
  const { config, parameters } = model.vae;
  const latents = input('latents', [batchSize, config.latent_channels, height, width]);
  const decoded = vaeDecode(config, parameters, scale(latents, 1 / config.scaling_factor));
  return { images: clamp(computedIn(model, decoded), -1, 1), latents };
}
