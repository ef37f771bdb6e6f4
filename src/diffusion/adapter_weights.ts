/** Adapters from the tensors of one file, wherever its bytes lie: nothing here needs Node. */

import { LORA_PARTS, type LoraModulePaths } from '../weights/lora_adapter.ts';
import { createResolver, readLoraWeights } from '../weights/lora_layers.ts';
import type { WeightSource } from '../weights/weights_in_memory.ts';
import type { Adapter } from './adapter.ts';
import type { AdapterKind } from './adapter_scale.ts';
import { holdsDifferences, readWeightDifferences } from './adapter_weights_file.ts';
import type { TextToImageModel } from './assemble_model.ts';
import { readSoftTokens, softTokensTensor } from './soft_tokens_file.ts';

/** Module paths of a model's layers by part, among which the names of LoRA files are looked up. */
export function adaptableModules(model: TextToImageModel): LoraModulePaths {
  return Object.fromEntries(LORA_PARTS.map((part) => [part, modulePaths(model[part].weights.names())]));
}

/**
 * The adapter of one `.safetensors` file: LoRA of kohya or diffusers, differences of whole weights, or a textual inversion.
 * @param metadata text fields of the file's header
 * @throws Error naming file and tensor when it is damaged or does not fit the model
 */
export function adapterFromWeights(
  source: WeightSource,
  metadata: Readonly<Record<string, string>>,
  model: TextToImageModel,
): Adapter {
  const other = adapterWithoutLora(source, model);
  if (other !== null) return other;
  const lora = readLoraWeights(source, metadata, createResolver(adaptableModules(model)));
  return Object.freeze({ lora, softTokens: null });
}

/**
 * The adapter of a file that holds differences of whole weights or a textual inversion; `null` for another file.
 * @throws Error naming file and tensor when it does not fit the model
 */
export function adapterWithoutLora(source: WeightSource, model: TextToImageModel): Adapter | null {
  const softTokens = readSoftTokens(source, model);
  if (softTokens !== null) return Object.freeze({ lora: null, softTokens });
  const weights = readWeightDifferences(source, model);
  return weights === null ? null : Object.freeze({ lora: null, softTokens: null, weights });
}

/** What an adapter's file holds, by the names of its tensors alone. */
export function adapterKindOf(names: readonly string[]): AdapterKind {
  if (softTokensTensor(names) !== null) return 'softTokens';
  return holdsDifferences(names) ? 'weights' : 'lora';
}

/** Paths of the modules that have a weight. */
function modulePaths(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length));
}
