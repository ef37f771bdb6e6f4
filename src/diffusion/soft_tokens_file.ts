/** Soft tokens in files: textual inversions of AUTOMATIC1111 and diffusers, and the prefix embeddings of the reference implementation. */

import { requireFinite } from '../weights/finite.ts';
import type { WeightSource } from '../weights/weights_in_memory.ts';
import type { SoftTokens } from './adapter.ts';
import type { TextToImageModel } from './assemble_model.ts';
import { contextLength } from './graphs.ts';

/** The tensor that AUTOMATIC1111 and ComfyUI call the vectors; diffusers takes any name for the token's own. */
export const EMBEDDING = 'emb_params';

/** Tensors of the reference's module, whose first row stands for every other token and is never used. */
const PREFIX = Object.freeze({
  tokens: 'token_embedding.weight',
  positions: 'position_embedding.weight',
  numbers: 'position_ids',
});
/** The same positions in the text encoder's own weights. */
const POSITIONS = 'embeddings.position_embedding.weight';
/** Positions that were stored in half precision differ by as much. */
const POSITION_TOLERANCE = 1e-3;

/** Which of a file's tensors holds soft tokens; `null` when it holds something else. */
export function softTokensTensor(names: readonly string[]): string | null {
  if (names.includes(PREFIX.tokens)) return PREFIX.tokens;
  if (names.includes(EMBEDDING)) return EMBEDDING;
  const [only = ''] = names;
  // Keys of every other kind of adapter have dots in them.
  return names.length === 1 && !only.includes('.') ? only : null;
}

/**
 * The soft tokens of a file; `null` when it holds something else.
 * @throws Error naming file and tensor when they do not fit the model, or others stand beside them
 */
export function readSoftTokens(weights: WeightSource, model: TextToImageModel): SoftTokens | null {
  const names = weights.names();
  const name = softTokensTensor(names);
  if (name === PREFIX.tokens) return readPrefix(weights, model);
  if (names.includes('clip_g')) {
    throw new Error(
      `${weights.description}: is a textual inversion of Stable Diffusion XL, which is not supported`,
    );
  }
  if (name === null) return null;
  assertOnly(weights, [name]);
  const { shape } = weights.info(name);
  return checked(weights, model, name, shape.length === 1 ? [1, ...shape] : shape, weights.readFloat32(name));
}

function assertOnly(weights: WeightSource, known: readonly string[]): void {
  const others = weights.names().filter((name) => !known.includes(name));
  if (others.length === 0) return;
  throw new Error(
    `${weights.description}: expected ${known.join(', ')} alone, received also ${others.join(', ')}`,
  );
}

function checked(
  { description }: WeightSource,
  model: TextToImageModel,
  name: string,
  shape: readonly number[],
  data: Float32Array,
): SoftTokens {
  const [count = 0, width] = shape;
  const expected = model.textEncoder.config.hidden_size;
  const most = contextLength(model) - 2;
  if (shape.length !== 2 || width !== expected || count < 1 || count > most) {
    throw new Error(
      `${description}: expected ${name} [1..${most}, ${expected}], received [${shape.join(', ')}]`,
    );
  }
  return Object.freeze({ count, width, data: requireFinite(data, `${description}: ${name}`) });
}

/** Prefix of the reference: row 0 of its table is a placeholder, the others are the tokens in front of the prompt. */
function readPrefix(weights: WeightSource, model: TextToImageModel): SoftTokens {
  assertOnly(weights, Object.values(PREFIX));
  const [rows = 0, width = 0] = weights.info(PREFIX.tokens).shape;
  const table = weights.readFloat32(PREFIX.tokens);
  if (weights.has(PREFIX.positions)) checkPositions(weights, model);
  return checked(weights, model, PREFIX.tokens, [rows - 1, width], table.slice(width));
}

function checkPositions(weights: WeightSource, model: TextToImageModel): void {
  const own = model.textEncoder.weights;
  const name = own.names().find((each) => each.endsWith(POSITIONS));
  const expected = name === undefined ? new Float32Array() : own.readFloat32(name);
  const found = weights.readFloat32(PREFIX.positions);
  const isSame =
    found.length === expected.length &&
    found.every((value, i) => Math.abs(value - expected[i]!) <= POSITION_TOLERANCE);
  if (isSame) return;
  throw new Error(
    `${weights.description}: ${PREFIX.positions}: expected those of the model's text encoder, received others`,
  );
}
