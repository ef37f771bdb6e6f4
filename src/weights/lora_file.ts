/** LoRA adapters in and out of files, in the formats of kohya, diffusers and PEFT. */

export {
  createLoraLayer,
  LORA_PARTS,
  type LoraAdapter,
  type LoraLayer,
  type LoraMatrix,
  type LoraModulePaths,
  type LoraPart,
  withoutAlpha,
} from './lora_adapter.ts';
export type { LoraFormat } from './lora_names.ts';
export { readLoraAdapter } from './lora_reader.ts';
export { type WriteLoraOptions, writeLoraAdapter } from './lora_writer.ts';
