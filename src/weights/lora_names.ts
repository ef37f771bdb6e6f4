/**
 * Names of LoRA tensors: what kohya, diffusers (old and new) and PEFT call the two matrices and the alpha of
 * a layer.
 */

import type { LoraPart } from './lora_adapter.ts';

/** Which tensor of a layer a key names. */
export type LoraRole = 'down' | 'up' | 'alpha';

/** A key taken apart. */
export interface LoraKey {
  readonly part: LoraPart;
  /** Module path with dots, or with every dot turned into an underscore when `flattened`. */
  readonly module: string;
  /** Whether the key is kohya's, whose module paths have underscores for dots. */
  readonly flattened: boolean;
  readonly role: LoraRole;
}

/** Adapter kinds whose tensors are recognised in order to say that they are not supported. */
const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/\.(dora_scale|lora_magnitude_vector)/, 'DoRA'],
  [/\.hada_w[12]_[ab]|\.hada_t[12]/, 'LoHa'],
  [/\.lokr_w[12]/, 'LoKr'],
  [/\.lora_mid\./, 'LoCon with a middle factor'],
  [/\.lora_embedding_[AB]/, 'LoRA of an embedding'],
  [/^(lora_te2_|text_encoder_2\.)/, 'LoRA of a second text encoder (SDXL)'],
];

/** First segments of module paths in a diffusers U-Net. */
const UNET_START =
  /^(down_blocks|mid_block|up_blocks|conv_in|conv_out|conv_norm_out|time_embedding|class_embedding|add_embedding|encoder_hid_proj)\b/;

const KOHYA = /^lora_(te1?|unet)_([^.]+)\.(lora_down\.weight|lora_up\.weight|alpha)$/;
const DOTTED_ROLES: readonly (readonly [RegExp, LoraRole])[] = [
  [/\.(lora_A(\.\w+)?|lora\.down|lora_linear_layer\.down|lora_down)\.weight$/, 'down'],
  [/\.(lora_B(\.\w+)?|lora\.up|lora_linear_layer\.up|lora_up)\.weight$/, 'up'],
  [/\.alpha$/, 'alpha'],
];
/**
 * Attention layers before diffusers 0.24, whose LoRA sat in the attention processor (in 0.17 also in the text
 * encoder).
 */
const OLD_ATTENTION = /(\.processor)?\.to_(q|k|v|out)_lora\.(down|up)\.weight$/;

/** Cuts prefixes off a dotted path and tells the part; v0.22-0.24 of diffusers doubled `unet.`. */
function splitPart(path: string): { part: LoraPart; module: string } | undefined {
  const inner = path.replace(/^base_model\.model\./, '');
  const prefix = /^(text_encoder\.|(unet\.)+)/.exec(inner)?.[0] ?? '';
  const module = inner.slice(prefix.length);
  if (prefix.startsWith('unet') || (prefix === '' && UNET_START.test(module)))
    return { part: 'unet', module };
  if (module.startsWith('text_model.')) return { part: 'textEncoder', module };
  // transformers 5 saves the text encoder without the outer name.
  if (/^(encoder|embeddings|final_layer_norm)\./.test(module))
    return { part: 'textEncoder', module: `text_model.${module}` };
  return prefix === '' ? undefined : { part: 'textEncoder', module };
}

function oldAttentionModule(part: LoraPart, parent: string, projection: string): string {
  if (part === 'textEncoder') return `${parent}.${projection}_proj`;
  return `${parent}.to_${projection === 'out' ? 'out.0' : projection}`;
}

/**
 * Takes a tensor name of a LoRA file apart. Understood are kohya's `lora_te_`/`lora_te1_`/`lora_unet_`,
 * PEFT's `base_model.model.`, every naming of diffusers from 0.17 to 0.40, and the same without any prefix.
 * @throws when the name is none of these, or belongs to an adapter kind that is not supported
 */
export function parseLoraKey(key: string): LoraKey {
  const kind = UNSUPPORTED.find(([pattern]) => pattern.test(key))?.[1];
  if (kind !== undefined) throw new Error(`${JSON.stringify(key)}: ${kind} is not supported`);
  const kohya = KOHYA.exec(key);
  if (kohya !== null) {
    const [, prefix, module, tensor] = kohya;
    const role = tensor === 'alpha' ? 'alpha' : tensor === 'lora_down.weight' ? 'down' : 'up';
    return { part: prefix === 'unet' ? 'unet' : 'textEncoder', module, flattened: true, role };
  }
  const old = OLD_ATTENTION.exec(key);
  if (old !== null) {
    const parent = splitPart(key.slice(0, old.index));
    if (parent !== undefined) {
      const module = oldAttentionModule(parent.part, parent.module, old[2]);
      return { part: parent.part, module, flattened: false, role: old[3] as LoraRole };
    }
  }
  for (const [pattern, role] of DOTTED_ROLES) {
    const found = pattern.exec(key);
    const place = found === null ? undefined : splitPart(key.slice(0, found.index));
    if (place !== undefined) return { ...place, flattened: false, role };
  }
  throw new Error(
    `${JSON.stringify(key)} is not the name of a LoRA tensor of a text encoder or a U-Net in any known format`,
  );
}

/** A module path as kohya writes it: every dot becomes an underscore. */
export function flattenModulePath(path: string): string {
  return path.replaceAll('.', '_');
}

/** Naming that a file is written in. */
export type LoraFormat = 'kohya' | 'diffusers' | 'diffusers-old' | 'peft';

const KOHYA_PREFIX: Readonly<Record<LoraPart, string>> = { textEncoder: 'lora_te_', unet: 'lora_unet_' };
const DIFFUSERS_PREFIX: Readonly<Record<LoraPart, string>> = { textEncoder: 'text_encoder.', unet: 'unet.' };

/** What kohya's keys of a module begin with, without the dot before the tensor's own name. */
export function kohyaStem(part: LoraPart, module: string): string {
  return KOHYA_PREFIX[part] + flattenModulePath(module);
}

/** Prefix that diffusers gives to the keys and the metadata of a part. */
export function diffusersPrefix(part: LoraPart): string {
  return DIFFUSERS_PREFIX[part];
}

function oldDiffusersKey(part: LoraPart, module: string, role: 'down' | 'up'): string {
  if (part === 'textEncoder') return `text_encoder.${module}.lora_linear_layer.${role}.weight`;
  const attention = /^(.*\.attn[12])\.to_(q|k|v|out)(\.0)?$/.exec(module);
  if (attention === null) throw new Error(`the old diffusers format has no name for a LoRA of ${module}`);
  return `unet.${attention[1]}.processor.to_${attention[2]}_lora.${role}.weight`;
}

/**
 * Name of a tensor in a file of the given format.
 * @throws for the alpha of a format that keeps it elsewhere or nowhere, and for U-Net layers outside
 * attention in the old diffusers format
 */
export function formatLoraKey(format: LoraFormat, part: LoraPart, module: string, role: LoraRole): string {
  if (format === 'kohya') {
    const stem = kohyaStem(part, module);
    return role === 'alpha' ? `${stem}.alpha` : `${stem}.lora_${role}.weight`;
  }
  if (role === 'alpha') throw new Error(`the format ${format} has no tensor for alpha`);
  if (format === 'diffusers-old') return oldDiffusersKey(part, module, role);
  const prefix = format === 'peft' ? 'base_model.model.' : DIFFUSERS_PREFIX[part];
  return `${prefix}${module}.lora_${role === 'down' ? 'A' : 'B'}.weight`;
}
