/**
 * LoRA adapters in memory, free of any file format: W' = W + (alpha / rank) * up * down (Hu et al., "LoRA",
 * 2021, section 4.1).
 */

/** Model that a layer belongs to. */
export type LoraPart = 'textEncoder' | 'unet';

/** Both parts, in the order in which files are written. */
export const LORA_PARTS: readonly LoraPart[] = Object.freeze(['textEncoder', 'unet']);

/** A matrix of a layer, row-major. */
export interface LoraMatrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One adapted linear layer or convolution. */
export interface LoraLayer {
  /** A: [rank, in], or [rank, in, height, width] for a convolution. */
  readonly down: LoraMatrix;
  /** B: [out, rank], or [out, rank, 1, 1] for a convolution. */
  readonly up: LoraMatrix;
  readonly rank: number;
  /** The update is scaled by alpha / rank. */
  readonly alpha: number;
}

/**
 * An adapter: its layers by module path, spelled as in the Hugging Face models
 * (`text_model.encoder.layers.0.mlp.fc1`).
 */
export interface LoraAdapter {
  readonly textEncoder: ReadonlyMap<string, LoraLayer>;
  readonly unet: ReadonlyMap<string, LoraLayer>;
  /** Free text fields of the file, such as kohya's `ss_*`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Module paths of the adaptable layers of a model, by part. */
export type LoraModulePaths = Readonly<Partial<Record<LoraPart, Iterable<string>>>>;

function checkMatrix(name: string, { shape, data }: LoraMatrix): void {
  const count = shape.reduce((product, size) => product * size, 1);
  if ((shape.length !== 2 && shape.length !== 4) || count === 0) {
    throw new Error(
      `${name}: expected 2 dimensions (4 for a convolution), none of them 0, received [${shape.join(', ')}]`,
    );
  }
  if (data.length !== count) throw new Error(`${name}: expected ${count} elements, received ${data.length}`);
}

/**
 * Checks two matrices against each other and joins them to a layer.
 * @param alpha equals the rank if not given, which is a scale of 1
 * @throws when the shapes do not fit together or alpha is not finite
 */
export function createLoraLayer(down: LoraMatrix, up: LoraMatrix, alpha?: number): LoraLayer {
  checkMatrix('down', down);
  checkMatrix('up', up);
  const rank = down.shape[0];
  if (up.shape[1] !== rank) {
    throw new Error(
      `down [${down.shape.join(', ')}] has rank ${rank}, but up [${up.shape.join(', ')}] has rank ${up.shape[1]}`,
    );
  }
  if (alpha !== undefined && !Number.isFinite(alpha))
    throw new Error(`alpha: expected a finite number, received ${alpha}`);
  return Object.freeze({ down, up, rank, alpha: alpha ?? rank });
}

/**
 * The layer with its scale multiplied into `up`, so that alpha is the rank; for formats that have no place
 * for alpha.
 */
export function withoutAlpha(layer: LoraLayer): LoraLayer {
  if (layer.alpha === layer.rank) return layer;
  const scale = layer.alpha / layer.rank;
  const up = { shape: layer.up.shape, data: layer.up.data.map((value) => value * scale) };
  return Object.freeze({ ...layer, up, alpha: layer.rank });
}
