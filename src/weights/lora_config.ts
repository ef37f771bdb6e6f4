/** The PEFT LoraConfig: alpha and rank of each module read from it, and one written for an adapter. */

import type { JsonObject } from './json_object.ts';
import { isJsonObject } from './json_object.ts';
import type { LoraLayer } from './lora_adapter.ts';

/** Alpha of a module whose matrices have the given rank, so that the scale is alpha / rank. */
export type AlphaOf = (module: string, rank: number) => number;

/** PEFT's own defaults for fields that a config leaves out. */
const DEFAULT_RANK = 8;
const DEFAULT_ALPHA = 8;

function numberField(config: JsonObject, field: string, fallback: number): number {
  const value = config[field] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Error(`${field}: expected a number, received ${JSON.stringify(value)}`);
  }
  return value;
}

/**
 * A `rank_pattern` or `alpha_pattern`: keys are module paths or their last segments, optionally anchored by
 * `^`.
 */
function patternField(config: JsonObject, field: string): (module: string) => number | undefined {
  const value = config[field] ?? {};
  if (!isJsonObject(value))
    throw new Error(`${field}: expected an object, received ${JSON.stringify(value)}`);
  const patterns = Object.keys(value).map((key) => {
    const path = key.replace(/^\^/, '');
    if (!/^[\w.-]+$/.test(path)) {
      throw new Error(
        `${field}: the regular expression ${JSON.stringify(key)} is not supported, expected a module path`,
      );
    }
    const isAnchored = key.startsWith('^');
    return { path, isAnchored, amount: numberField(value, key, Number.NaN) };
  });
  return (module) =>
    patterns.find(({ path, isAnchored }) => module === path || (!isAnchored && module.endsWith(`.${path}`)))
      ?.amount;
}

/**
 * Reads the scale of each module from a LoraConfig, the fields as PEFT's `LoraConfig.to_dict` names them.
 * With `use_rslora` PEFT scales by lora_alpha / sqrt(r), which is expressed as an alpha of lora_alpha *
 * sqrt(r).
 * @throws when the config asks for something other than plain LoRA (DoRA, biases, transposed weights), or
 * when a module's rank is not the one that the config states
 */
export function readLoraConfig(config: JsonObject): AlphaOf {
  const isOn = (field: string) =>
    config[field] !== undefined && config[field] !== null && config[field] !== false;
  if (config.peft_type !== undefined && config.peft_type !== 'LORA') {
    throw new Error(`peft_type: expected "LORA", received ${JSON.stringify(config.peft_type)}`);
  }
  for (const field of ['use_dora', 'fan_in_fan_out', 'lora_bias']) {
    if (isOn(field)) throw new Error(`${field}: adapters with this option are not supported`);
  }
  if (config.bias !== undefined && config.bias !== 'none') {
    throw new Error(`bias: expected "none", received ${JSON.stringify(config.bias)}`);
  }
  const defaultRank = numberField(config, 'r', DEFAULT_RANK);
  const defaultAlpha = numberField(config, 'lora_alpha', DEFAULT_ALPHA);
  const rankOf = patternField(config, 'rank_pattern');
  const alphaOf = patternField(config, 'alpha_pattern');
  return (module, rank) => {
    const stated = rankOf(module) ?? defaultRank;
    if (stated !== rank)
      throw new Error(`${module}: the config states rank ${stated}, the tensors have rank ${rank}`);
    const alpha = alphaOf(module) ?? defaultAlpha;
    return isOn('use_rslora') ? alpha * Math.sqrt(rank) : alpha;
  };
}

/** The value that occurs most often, the first one on a tie. */
function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best))[0];
}

function exceptions(layers: ReadonlyMap<string, LoraLayer>, field: 'rank' | 'alpha', usual: number) {
  const different = [...layers].filter(([, layer]) => layer[field] !== usual);
  return Object.fromEntries(different.map(([module, layer]) => [module, layer[field]]));
}

/**
 * LoraConfig of an adapter's layers: the most common rank and alpha, and patterns for the layers that differ.
 * @param layers at least one
 */
export function writeLoraConfig(layers: ReadonlyMap<string, LoraLayer>): JsonObject {
  const rank = mostCommon(Array.from(layers.values(), (layer) => layer.rank));
  const alpha = mostCommon(Array.from(layers.values(), (layer) => layer.alpha));
  return Object.freeze({
    peft_type: 'LORA',
    r: rank,
    lora_alpha: alpha,
    target_modules: [...layers.keys()],
    rank_pattern: exceptions(layers, 'rank', rank),
    alpha_pattern: exceptions(layers, 'alpha', alpha),
    lora_dropout: 0,
    bias: 'none',
    use_rslora: false,
    use_dora: false,
  });
}
