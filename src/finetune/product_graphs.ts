/** The vector-Jacobian products of finetuning as graphs: of the guided denoiser, the decoder and the text encoder. */

import type { AdapterLayout } from '../diffusion/adapter.ts';
import type { LatentSize } from '../diffusion/graphs.ts';
import { guidedDenoiser, imageDecoder, promptContext } from '../diffusion/graphs.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import type { Value } from '../graph/index.ts';
import { gradient, input, mul } from '../graph/index.ts';

/** Through which of guidance's two noise predictions the gradient flows back. */
export type GuidanceBranches = 'both' | 'conditional';

/** Outputs of a graph by name. */
export type Outputs = Readonly<Record<string, Value>>;

/** What the product of one denoiser evaluation is taken for. */
export interface DenoiserProductChoice {
  readonly batchSize: number;
  readonly size: LatentSize;
  readonly layout: AdapterLayout;
  readonly guidanceScale: number;
  readonly branches: GuidanceBranches;
  /** Whether the gradients of the conditions are outputs. */
  readonly conditions: boolean;
  /** Whether the gradient of the latents that entered is an output, which the exact gradient needs. */
  readonly latents: boolean;
}

/** Whether both of guidance's branches are differentiated; without guidance there is one. */
export function usesBothBranches({
  guidanceScale,
  branches,
}: Pick<DenoiserProductChoice, 'guidanceScale' | 'branches'>): boolean {
  return guidanceScale !== 1 && branches === 'both';
}

/** Name under which the gradient of an adapter's input leaves a graph: outputs may not be called like inputs. */
export function gradientName(input: string): string {
  return `gradient ${input}`;
}

/** The adapter's input whose gradient leaves a graph under `name`. */
export function inputOfGradient(name: string): string {
  return name.slice('gradient '.length);
}

/**
 * The product of one evaluation: cotangent `factor * cotangent` of the guided prediction. Inputs are those of
 * {@link guidedDenoiser}, `cotangent` [batchSize, channels, h, w] and `factor` [1]; through the conditional branch alone
 * there is no `unconditional_in`. Outputs: `condition`, `unconditional` [batchSize, length, width] and `latent_gradient`
 * where asked for, and the gradient of each of the adapter's U-Net inputs ({@link gradientName}).
 */
export function denoiserProduct(model: TextToImageModel, choice: DenoiserProductChoice): Outputs {
  const { batchSize, size, layout, guidanceScale } = choice;
  const both = usesBothBranches(choice);
  const denoiser = guidedDenoiser(model, batchSize, size, layout, both);
  let cotangent = mul(input('cotangent', denoiser.value.shape), input('factor', [1]));
  // d eps / d eps_c = s: through the conditional branch alone, the guided prediction need not be computed.
  if (guidanceScale !== 1 && !both) cotangent = mul(cotangent, input('guidance', [1]));
  const wanted: [string, Value][] = [];
  if (choice.conditions) {
    wanted.push(['condition', denoiser.condition]);
    if (denoiser.unconditional !== null) wanted.push(['unconditional', denoiser.unconditional]);
  }
  for (const [name, value] of denoiser.adapterInputs) wanted.push([gradientName(name), value]);
  if (choice.latents) wanted.push(['latent_gradient', denoiser.latents]);
  return products(denoiser.value, cotangent, wanted);
}

/** The product of the decoder: inputs `latents` and `cotangent` [batchSize, 3, H, W], output `result`. */
export function decoderProduct(model: TextToImageModel, batchSize: number, size: LatentSize): Outputs {
  const decoder = imageDecoder(model, batchSize, size);
  const cotangent = input('cotangent', decoder.images.shape);
  return products(decoder.images, cotangent, [['result', decoder.latents]]);
}

/** The product of the text encoder: inputs `ids` and `cotangent`, outputs the gradients of the adapter's inputs. */
export function contextProduct(model: TextToImageModel, batchSize: number, layout: AdapterLayout): Outputs {
  const { value, adapterInputs } = promptContext(model, batchSize, layout);
  const wanted = [...adapterInputs].map(([name, each]) => [gradientName(name), each] as const);
  return products(value, input('cotangent', value.shape), wanted);
}

function products(
  output: Value,
  cotangent: Value,
  wanted: readonly (readonly [string, Value])[],
): Record<string, Value> {
  const results = gradient(
    [output],
    [cotangent],
    wanted.map(([, value]) => value),
  );
  return Object.fromEntries(wanted.map(([name], i) => [name, results[i]!]));
}
