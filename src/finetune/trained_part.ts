/** What finetuning trains: soft tokens, low-rank updates of text encoder and U-Net, or whole weights; how they start. */

import type { Adapter, WholeWeight, WholeWeights } from '../diffusion/adapter.ts';
import { adapterFeeds, factorInput, weightInput } from '../diffusion/adapter.ts';
import type { PartInventory } from '../diffusion/adapter_inventory.ts';
import { adapterInventory } from '../diffusion/adapter_inventory.ts';
import { COMPONENTS } from '../diffusion/adapter_weights_file.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import type { LinearShape } from '../models/index.ts';
import type { LoraLayer, LoraPart } from '../weights/lora_file.ts';
import { createLoraLayer, LORA_PARTS } from '../weights/lora_file.ts';
import { matchNames } from './name_patterns.ts';

/** Which parts of a model each kind of low-rank training adapts. */
export const LORA_KINDS = Object.freeze({
  'text-encoder': ['textEncoder'],
  unet: ['unet'],
  'text-encoder+unet': ['textEncoder', 'unet'],
} as const satisfies Readonly<Record<string, readonly LoraPart[]>>);

/** Low-rank updates of one or both parts. */
export interface LoraTraining {
  readonly kind: keyof typeof LORA_KINDS;
  readonly rank: number;
  /** Scale of the update times the rank; the rank when left out. */
  readonly alpha?: number;
  /**
   * Patterns ({@link matchNames}) of the linear layers that are adapted, named `text_encoder.PATH` and `unet.PATH`; when left
   * out, {@link DEFAULT_TARGETS}.
   */
  readonly targets?: readonly string[];
  /** Share of the updates' input features that is left out of each iteration; 0 when left out. */
  readonly dropout?: number;
}

/** A choice of what is trained (METHOD section 5). */
export type TrainedPart =
  | { readonly kind: 'prompt'; readonly tokens: number }
  | LoraTraining
  /** Whole weights and biases by patterns of their names, `text_encoder.NAME` and `unet.NAME`. */
  | { readonly kind: 'layers'; readonly patterns: readonly string[] };

/** Layers that receive low-rank updates unless others are chosen: all attention, and the text encoder's feed-forward layers. */
export const DEFAULT_TARGETS: Readonly<Record<LoraPart, readonly string[]>> = Object.freeze({
  textEncoder: ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'mlp.fc1', 'mlp.fc2'],
  unet: ['attn*.to_q', 'attn*.to_k', 'attn*.to_v', 'attn*.to_out.0'],
});

/** Deviation of the soft tokens' first values, that of CLIP's own token embedding at its initialisation. */
const SOFT_TOKEN_DEVIATION = 0.02;

type Inventory = Readonly<Record<LoraPart, PartInventory>>;

/** Names of the chosen parts' modules or parameters, with the folder of the part in front. */
function fullNames(inventory: Inventory, parts: readonly LoraPart[], kind: keyof PartInventory): string[] {
  return parts.flatMap((part) =>
    [...inventory[part][kind].keys()].map((name) => `${COMPONENTS[part]}.${name}`),
  );
}

/** Those names of a part that are among `chosen`. */
function namesOf(part: LoraPart, chosen: readonly string[]): string[] {
  const prefix = `${COMPONENTS[part]}.`;
  return chosen.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

function loraLayers(inventory: Inventory, training: LoraTraining, seed: number) {
  const parts: readonly LoraPart[] = LORA_KINDS[training.kind];
  const { rank, alpha = rank, targets } = training;
  const patterns = targets ?? parts.flatMap((part) => DEFAULT_TARGETS[part].map((each) => each));
  const chosen = matchNames(patterns, fullNames(inventory, parts, 'modules'), 'train.targets');
  const layersOf = (part: LoraPart) =>
    new Map(
      namesOf(part, parts.includes(part) ? chosen : []).map((path) => [
        path,
        initialLayer(path, inventory[part].modules.get(path)!, rank, alpha, seed),
      ]),
    );
  return { textEncoder: layersOf('textEncoder'), unet: layersOf('unet') };
}

function initialLayer(
  path: string,
  { inputs, outputs, pointwise = false }: LinearShape,
  rank: number,
  alpha: number,
  seed: number,
): LoraLayer {
  // What is stored as a 1x1 convolution has an update that is one as well.
  const kernel = pointwise ? [1, 1] : [];
  const data = gaussianNoise({ seed, stream: `lora ${path}` }, rank * inputs).map((value) => value / rank);
  const down = { shape: [rank, inputs, ...kernel], data };
  const up = { shape: [outputs, rank, ...kernel], data: new Float32Array(outputs * rank) };
  return createLoraLayer(down, up, alpha);
}

/** Copies of the chosen parameters as the model's files hold them. */
function wholeWeights(
  model: TextToImageModel,
  inventory: Inventory,
  patterns: readonly string[],
): WholeWeights {
  const chosen = matchNames(patterns, fullNames(inventory, LORA_PARTS, 'parameters'), 'train.layers');
  const weightsOf = (part: LoraPart): Map<string, WholeWeight> => {
    const names = namesOf(part, chosen);
    if (names.length === 0) return new Map();
    const source = model[part].weights;
    return new Map(
      names.map((name) => [
        name,
        { shape: inventory[part].parameters.get(name)!, data: source.readFloat32(name).slice() },
      ]),
    );
  };
  return { textEncoder: weightsOf('textEncoder'), unet: weightsOf('unet') };
}

/**
 * The adapter with which training starts. Low-rank updates start without effect: down ~ N(0, (1/rank)^2), up = 0, alpha = rank
 * unless given. Soft tokens start small and random. Whole weights start as the model's own.
 * @throws Error when a pattern fits no layer or parameter of the model, with the nearest names
 */
export function initialAdapter(model: TextToImageModel, part: TrainedPart, seed: number): Adapter {
  if (part.kind === 'prompt') {
    const width = model.textEncoder.config.hidden_size;
    const data = gaussianNoise({ seed, stream: 'soft tokens' }, part.tokens * width).map(
      (value) => value * SOFT_TOKEN_DEVIATION,
    );
    return { lora: null, softTokens: { count: part.tokens, width, data } };
  }
  const inventory = adapterInventory(model);
  if (part.kind === 'layers') {
    return { lora: null, softTokens: null, weights: wholeWeights(model, inventory, part.patterns) };
  }
  return { lora: { ...loraLayers(inventory, part, seed), metadata: {} }, softTokens: null };
}

/** The adapter's trained tensors by graph input name: the very arrays that the adapter holds, not copies. */
export function trainedTensors(adapter: Adapter): Map<string, Float32Array> {
  return new Map(Object.entries(adapterFeeds(adapter)));
}

/** An adapter of the same layout that holds other values, by graph input name (arrays are taken over, not copied). */
export function withTensors(adapter: Adapter, tensors: ReadonlyMap<string, Float32Array>): Adapter {
  const { lora, softTokens, weights } = adapter;
  const replaceLayers = (part: LoraPart, layers: ReadonlyMap<string, LoraLayer>) =>
    new Map(
      [...layers].map(([path, { down, up, alpha }]) => {
        const downData = tensors.get(factorInput(part, path, 'down')) ?? down.data;
        const upData = tensors.get(factorInput(part, path, 'up')) ?? up.data;
        const layer = createLoraLayer({ ...down, data: downData }, { ...up, data: upData }, alpha);
        return [path, layer] as const;
      }),
    );
  const replaceWeights = (part: LoraPart, whole: ReadonlyMap<string, WholeWeight>) =>
    new Map(
      [...whole].map(([name, weight]) => [
        name,
        { ...weight, data: tensors.get(weightInput(part, name)) ?? weight.data },
      ]),
    );
  return {
    lora: lora && {
      textEncoder: replaceLayers('textEncoder', lora.textEncoder),
      unet: replaceLayers('unet', lora.unet),
      metadata: lora.metadata,
    },
    softTokens: softTokens && { ...softTokens, data: tensors.get('soft_tokens') ?? softTokens.data },
    ...(weights
      ? {
          weights: {
            textEncoder: replaceWeights('textEncoder', weights.textEncoder),
            unet: replaceWeights('unet', weights.unet),
          },
        }
      : {}),
  };
}
