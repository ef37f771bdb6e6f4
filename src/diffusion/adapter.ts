/** An adapter on a text-to-image model: low-rank updates, soft tokens and whole weights, as graph inputs with their values. */

import type { Tensors, Value } from '../graph/building.ts';
import { input } from '../graph/building.ts';
import type { LinearShape, LoraFactors, Parameters } from '../models/index.ts';
import { parametersFrom, withLora } from '../models/index.ts';
import type { LoraAdapter, LoraLayer, LoraPart } from '../weights/lora_adapter.ts';
import { LORA_PARTS } from '../weights/lora_adapter.ts';

/** Learned token embeddings that stand in front of every prompt, after the start token. */
export interface SoftTokens {
  readonly count: number;
  /** Width of the text encoder. */
  readonly width: number;
  /** count * width elements, row-major. */
  readonly data: Float32Array;
}

/** A parameter of the model that is replaced as a whole. */
export interface WholeWeight {
  readonly shape: readonly number[];
  /** Row-major elements. */
  readonly data: Float32Array;
}

/** Replaced parameters of each part, by the names that the model's own weight files use. */
export type WholeWeights = Readonly<Record<LoraPart, ReadonlyMap<string, WholeWeight>>>;

/** What an adapter changes. Any of it may be missing. */
export interface Adapter {
  readonly lora: LoraAdapter | null;
  readonly softTokens: SoftTokens | null;
  /** Parameters in place of the model's own; none when left out. */
  readonly weights?: WholeWeights | null;
}

/** The adapter that changes nothing. */
export const NO_ADAPTER: Adapter = Object.freeze({ lora: null, softTokens: null });

/** Rank and scale (alpha/rank) of one adapted layer. */
export interface LayerLayout {
  readonly rank: number;
  readonly scale: number;
}

/** What of an adapter shapes the graph; two adapters of one layout run in the same compiled graph. */
export interface AdapterLayout {
  readonly textEncoder: ReadonlyMap<string, LayerLayout>;
  readonly unet: ReadonlyMap<string, LayerLayout>;
  /** Number of soft tokens; 0 for none. */
  readonly softTokens: number;
  /** Names of the parameters that are replaced whole. */
  readonly weights: Readonly<Record<LoraPart, ReadonlySet<string>>>;
}

/** The layout of {@link NO_ADAPTER}. */
export const NO_ADAPTER_LAYOUT: AdapterLayout = Object.freeze({
  textEncoder: new Map(),
  unet: new Map(),
  softTokens: 0,
  weights: Object.freeze({ textEncoder: new Set<string>(), unet: new Set<string>() }),
});

/** The layout of an adapter. */
export function adapterLayout({ lora, softTokens, weights }: Adapter): AdapterLayout {
  const part = (layers: ReadonlyMap<string, LoraLayer> | undefined) =>
    new Map(
      [...(layers ?? [])].map(([path, { rank, alpha }]) => [path, { rank, scale: alpha / rank }] as const),
    );
  return {
    textEncoder: part(lora?.textEncoder),
    unet: part(lora?.unet),
    softTokens: softTokens?.count ?? 0,
    weights: {
      textEncoder: new Set(weights?.textEncoder.keys()),
      unet: new Set(weights?.unet.keys()),
    },
  };
}

/** Text that is equal for layouts whose graphs of one part of the model are equal. */
export function layoutKey(layout: AdapterLayout, part: LoraPart): string {
  const { weights, softTokens } = layout;
  return JSON.stringify([[...layout[part]], [...weights[part]], part === 'textEncoder' ? softTokens : 0]);
}

/** Whether a layout changes the graphs of a part of the model. */
export function changesPart(layout: AdapterLayout, part: LoraPart): boolean {
  return (
    layout[part].size > 0 ||
    layout.weights[part].size > 0 ||
    (part === 'textEncoder' && layout.softTokens > 0)
  );
}

/** Name of the graph input that holds the soft tokens. */
export const SOFT_TOKENS_INPUT = 'soft_tokens';

/** Name of the graph input that holds one factor of a layer's update. */
export function factorInput(part: LoraPart, modulePath: string, factor: 'down' | 'up'): string {
  return `${part}.${modulePath}.lora_${factor}`;
}

/** Name of the graph input that stands for a whole parameter. */
export function weightInput(part: LoraPart, name: string): string {
  return `${part}.${name}`;
}

/** The part that a graph input of an adapter belongs to, by its name; null for the soft tokens. */
export function partOfInput(name: string): LoraPart | null {
  return LORA_PARTS.find((part) => name.startsWith(`${part}.`)) ?? null;
}

/** The values of an adapter's graph inputs, by name. */
export function adapterFeeds({ lora, softTokens, weights }: Adapter): Record<string, Float32Array> {
  const feeds: Record<string, Float32Array> = {};
  if (softTokens !== null) feeds[SOFT_TOKENS_INPUT] = softTokens.data;
  for (const part of LORA_PARTS) {
    for (const [path, { down, up }] of lora?.[part] ?? []) {
      feeds[factorInput(part, path, 'down')] = down.data;
      feeds[factorInput(part, path, 'up')] = up.data;
    }
    for (const [name, { data }] of weights?.[part] ?? []) feeds[weightInput(part, name)] = data;
  }
  return feeds;
}

/** Those of `feeds` that belong to one part of the model; soft tokens belong to the text encoder. */
export function feedsOfPart(feeds: Tensors, part: LoraPart): Record<string, Float32Array> {
  const belongs = (name: string) =>
    name.startsWith(`${part}.`) || (part === 'textEncoder' && name === SOFT_TOKENS_INPUT);
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => belongs(name))) as Record<
    string,
    Float32Array
  >;
}

/** Parameters with an adapter's updates, and the graph inputs that hold what is trained. */
export interface AdaptedParameters {
  readonly parameters: Parameters;
  /** Inputs by name, filled while the model is built. */
  readonly inputs: Map<string, Value>;
}

/**
 * Puts the changes of one part of a model on its parameters: low-rank factors and whole parameters become graph inputs.
 * Unknown module paths and names are found by {@link assertAllAdapted} once the model is built.
 */
export function adaptParameters(base: Parameters, part: LoraPart, layout: AdapterLayout): AdaptedParameters {
  const inputs = new Map<string, Value>();
  const layers = layout[part];
  const replaced = layout.weights[part];
  const whole = replaced.size === 0 ? base : withWholeWeights(base, part, replaced, inputs);
  if (layers.size === 0) return { parameters: whole, inputs };
  const known = new Map<string, LoraFactors>();
  const factors = (path: string, { inputs: width, outputs }: LinearShape): LoraFactors | null => {
    const layer = layers.get(path);
    if (layer === undefined) return null;
    const existing = known.get(path);
    if (existing) return existing;
    const down = input(factorInput(part, path, 'down'), [layer.rank, width]);
    const up = input(factorInput(part, path, 'up'), [outputs, layer.rank]);
    inputs.set(factorInput(part, path, 'down'), down);
    inputs.set(factorInput(part, path, 'up'), up);
    const result = { down, up, scale: layer.scale };
    known.set(path, result);
    return result;
  };
  return { parameters: withLora(whole, factors), inputs };
}

function withWholeWeights(
  base: Parameters,
  part: LoraPart,
  replaced: ReadonlySet<string>,
  inputs: Map<string, Value>,
): Parameters {
  return parametersFrom((name, shape) => {
    if (!replaced.has(name)) return base.tensor(name, shape);
    const key = weightInput(part, name);
    const value = inputs.get(key) ?? input(key, shape);
    inputs.set(key, value);
    return value;
  }, base.has);
}

/**
 * Checks that building the model used every layer and parameter of the adapter.
 * @throws Error listing what the model does not have
 */
export function assertAllAdapted(adapted: AdaptedParameters, part: LoraPart, layout: AdapterLayout): void {
  const unused = (names: Iterable<string>, inputOf: (name: string) => string) =>
    [...names].filter((name) => !adapted.inputs.has(inputOf(name)));
  const layers = unused(layout[part].keys(), (path) => factorInput(part, path, 'down'));
  if (layers.length > 0) {
    throw new Error(`adapter: expected linear layers of the ${part}, received unknown ${layers.join(', ')}`);
  }
  const weights = unused(layout.weights[part], (name) => weightInput(part, name));
  if (weights.length > 0) {
    throw new Error(`adapter: expected parameters of the ${part}, received unknown ${weights.join(', ')}`);
  }
}
