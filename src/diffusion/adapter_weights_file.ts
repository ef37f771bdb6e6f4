/**
 * Whole weights in and out of files, as differences to the model's own: `lora_unet_MODULE.diff` for a weight and `.diff_b` for
 * a bias, the names under which ComfyUI and AUTOMATIC1111 add full matrices to a model.
 */

import { requireFinite } from '../weights/finite.ts';
import type { LoraPart } from '../weights/lora_adapter.ts';
import { LORA_PARTS } from '../weights/lora_adapter.ts';
import { flattenModulePath, kohyaStem } from '../weights/lora_names.ts';
import type { TensorToWrite } from '../weights/safetensors_writer.ts';
import type { WeightSource } from '../weights/weights_in_memory.ts';
import type { WholeWeight, WholeWeights } from './adapter.ts';
import type { TextToImageModel } from './assemble_model.ts';

/** Folders of the parts of a model in diffusers layout. */
export const COMPONENTS: Readonly<Record<LoraPart, string>> = Object.freeze({
  textEncoder: 'text_encoder',
  unet: 'unet',
});

/** What a parameter is called within its module, by the ending of its difference. */
const ENDINGS = Object.freeze({ diff: 'weight', diff_b: 'bias' } as const);
const DIFFERENCE = /^(lora_(?:te1?|unet)_[^.]+)\.(diff|diff_b)$/;

function keyOf(part: LoraPart, parameter: string): string {
  const dot = parameter.lastIndexOf('.');
  const role = parameter.slice(dot + 1);
  const ending = Object.entries(ENDINGS).find(([, name]) => name === role)?.[0];
  if (ending === undefined) {
    throw new Error(`${part} ${parameter}: expected a parameter called weight or bias to write`);
  }
  return `${kohyaStem(part, parameter.slice(0, dot))}.${ending}`;
}

/**
 * Differences of whole weights to the model's own, as tensors of a file.
 * @param model the model whose parameters they replace
 * @param dtype element type that they get in the file
 * @throws Error when the model has no such parameter, or one of another shape
 */
export function weightDifferences(
  weights: WholeWeights,
  model: Pick<TextToImageModel, LoraPart>,
  dtype: 'F32' | 'F16' = 'F32',
): Map<string, TensorToWrite> {
  const tensors = new Map<string, TensorToWrite>();
  for (const part of LORA_PARTS) {
    if (weights[part].size === 0) continue;
    const source = model[part].weights;
    for (const [name, { shape, data }] of weights[part]) {
      const base = readBase(source, name, shape);
      const difference = data.map((value, i) => value - base[i]!);
      tensors.set(keyOf(part, name), { dtype, shape, data: difference });
    }
  }
  return tensors;
}

function readBase(source: WeightSource, name: string, shape: readonly number[]): Float32Array {
  const own = source.info(name).shape;
  if (own.join() !== shape.join()) {
    throw new Error(`${source.description}: ${name}: expected [${own}], received [${shape}]`);
  }
  return source.readFloat32(name);
}

/** Whether a file with tensors of these names holds differences of whole weights. */
export function holdsDifferences(names: readonly string[]): boolean {
  return names.some((name) => DIFFERENCE.test(name));
}

/**
 * The whole weights of a file of differences: the model's own plus the differences.
 * @param source the file
 * @param model the model that the differences are added to
 * @returns `null` when the file holds something else
 * @throws Error naming the tensor that is not a difference of a parameter of the model
 */
export function readWeightDifferences(
  source: WeightSource,
  model: Pick<TextToImageModel, LoraPart>,
): WholeWeights | null {
  const file = source.description;
  if (!holdsDifferences(source.names())) return null;
  const bases: Record<LoraPart, WeightSource> = {
    textEncoder: model.textEncoder.weights,
    unet: model.unet.weights,
  };
  const known = Object.fromEntries(LORA_PARTS.map((part) => [part, parametersByKey(bases[part])])) as Record<
    LoraPart,
    Map<string, string>
  >;
  const result = { textEncoder: new Map<string, WholeWeight>(), unet: new Map<string, WholeWeight>() };
  for (const key of source.names()) {
    const found = DIFFERENCE.exec(key);
    if (found === null) throw new Error(`${file}: expected only differences of weights, received ${key}`);
    const part = key.startsWith('lora_unet_') ? 'unet' : 'textEncoder';
    const module = found[1]!.replace(/^lora_(te1?|unet)_/, '');
    const name = known[part].get(`${module}.${ENDINGS[found[2] as keyof typeof ENDINGS]}`);
    if (name === undefined) throw new Error(`${file}: the ${part} has no parameter for ${key}`);
    const { shape } = source.info(key);
    const base = readBase(bases[part], name, shape);
    const difference = requireFinite(source.readFloat32(key), `${file}: ${key}`);
    result[part].set(name, { shape, data: base.map((value, i) => value + difference[i]!) });
  }
  return result;
}

/** Parameter names by flattened module path and role. */
function parametersByKey(source: WeightSource): Map<string, string> {
  return new Map(
    source.names().map((name) => {
      const dot = name.lastIndexOf('.');
      return [`${flattenModulePath(name.slice(0, dot))}.${name.slice(dot + 1)}`, name];
    }),
  );
}
