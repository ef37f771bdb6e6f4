/** The bank of real faces: embeddings in a safetensors file, searched by dot product inside the graph. */

import type { Value } from '../graph/index.ts';
import { argMax, gather, matmul, normalizeL2, reduceMax, transposeLast } from '../graph/index.ts';
import { fileParameters } from '../models/weights.ts';
import { isJsonObject } from '../weights/json_file.ts';
import { openSafetensors, readTensorFloat32 } from '../weights/safetensors.ts';
import type { TensorToWrite } from '../weights/safetensors_writer.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { weightsFromFile } from '../weights/weight_source.ts';
import type { AttributeHead } from './attributes.ts';
import { selectFace } from './box.ts';
import type { FaceDetector } from './detection.ts';
import type { FaceEmbeddings } from './embedding.ts';
import type { ImageBatch } from './image_batch.ts';

const EMBEDDINGS = 'embeddings';
const ATTRIBUTE_PREFIX = 'attributes.';

/** An attribute of the faces in a bank. */
export interface BankAttribute extends AttributeHead {
  /** Class of each face [size]. */
  readonly values: Int32Array;
}

/** An opened bank. */
export interface FaceBank {
  /** Absolute path of its file. */
  readonly path: string;
  /** Number of faces. */
  readonly size: number;
  /** Length of an embedding. */
  readonly dimension: number;
  /** Unit vectors [size, dimension] as a graph value that stays in the file. */
  readonly embeddings: Value;
  readonly attributes: readonly BankAttribute[];
}

/**
 * Opens a bank's file.
 * @throws Error naming the file when it has no embeddings [faces, dimension] or its attributes don't fit them
 */
export function openFaceBank(path: string): FaceBank {
  const file = openSafetensors(path);
  const shape = file.tensors.get(EMBEDDINGS)?.shape;
  if (shape?.length !== 2 || shape[0]! < 1 || shape[1]! < 1) {
    throw new Error(
      `${file.path}: expected a tensor '${EMBEDDINGS}' [faces, size], received ${shape ?? 'none'}`,
    );
  }
  const [size, dimension] = shape as [number, number];
  const attributes = readAttributeHeads(file.path, file.metadata.attributes).map((head) => {
    const values = Int32Array.from(readTensorFloat32(file, `${ATTRIBUTE_PREFIX}${head.name}`));
    if (values.length !== size || values.some((k) => k < 0 || k >= head.classes.length)) {
      throw new Error(
        `${file.path}: ${head.name}: expected ${size} classes in 0..${head.classes.length - 1}, ` +
          `received ${values.length} values`,
      );
    }
    return Object.freeze({ ...head, values });
  });
  const embeddings = fileParameters(weightsFromFile(file)).tensor(EMBEDDINGS, [size, dimension]);
  return Object.freeze({ path: file.path, size, dimension, embeddings, attributes });
}

function readAttributeHeads(path: string, text: string | undefined): AttributeHead[] {
  if (text === undefined) return [];
  const heads: unknown = JSON.parse(text);
  if (!isJsonObject(heads))
    throw new Error(`${path}: attributes: expected classes by name, received ${text}`);
  return Object.entries(heads).map(([name, classes]) => {
    if (!Array.isArray(classes) || !classes.every((each) => typeof each === 'string')) {
      throw new Error(
        `${path}: attributes: ${name}: expected class names, received ${JSON.stringify(classes)}`,
      );
    }
    return { name, classes };
  });
}

/** Faces that go into a bank. */
export interface FaceBankContent {
  /** Embeddings [faces, dimension], of any positive length; they are stored as unit vectors. */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  readonly attributes?: readonly BankAttribute[];
}

/**
 * Writes a bank: `embeddings` (float16 or float32), one `attributes.NAME` (int32) for each attribute, and the class names
 * as JSON in the file's metadata.
 * @throws Error when an embedding is zero or not finite, or an attribute has not one value for each face
 */
export function writeFaceBank(path: string, content: FaceBankContent, dtype: 'F16' | 'F32' = 'F16'): void {
  const { embeddings, dimension, attributes = [] } = content;
  const size = embeddings.length / dimension;
  if (!Number.isInteger(size) || size < 1) {
    throw new Error(
      `face bank: expected rows of ${dimension} numbers, received ${embeddings.length} numbers`,
    );
  }
  const unit = new Float32Array(embeddings.length);
  for (let face = 0; face < size; face++) {
    const row = embeddings.subarray(face * dimension, (face + 1) * dimension);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (!(length > 0) || !Number.isFinite(length)) {
      throw new Error(`face bank: the embedding of face ${face} has the length ${length}`);
    }
    row.forEach((value, i) => {
      unit[face * dimension + i] = value / length;
    });
  }
  const tensors = new Map<string, TensorToWrite>([
    [EMBEDDINGS, { dtype, shape: [size, dimension], data: unit }],
  ]);
  for (const { name, classes, values } of attributes) {
    if (values.length !== size || values.some((k) => k < 0 || k >= classes.length)) {
      throw new Error(
        `face bank: ${name}: expected ${size} classes in 0..${classes.length - 1}, received ${values.length} values`,
      );
    }
    tensors.set(`${ATTRIBUTE_PREFIX}${name}`, { dtype: 'I32', shape: [size], data: values });
  }
  const heads = Object.fromEntries(attributes.map(({ name, classes }) => [name, classes]));
  writeSafetensors(path, tensors, attributes.length === 0 ? {} : { attributes: JSON.stringify(heads) });
}

/** What {@link embedForBank} needs. */
export interface BankSources {
  readonly detector: FaceDetector;
  readonly embeddings: FaceEmbeddings;
  /** Length of an embedding. */
  readonly dimension: number;
}

/**
 * Embeds the largest face of each image, for {@link writeFaceBank}.
 * @returns the embeddings of the images that show a face, and the positions of those images
 */
export async function embedForBank(
  images: ImageBatch,
  { detector, embeddings, dimension }: BankSources,
): Promise<{ readonly embeddings: Float32Array; readonly positions: readonly number[] }> {
  const found = await detector.detect(images);
  const faces = found.map((each) => selectFace(each, images).face);
  const rows = await embeddings.embed(images, faces);
  const isZero = (row: Float32Array) => row.every((value) => value === 0);
  const rowOf = (image: number) => rows.subarray(image * dimension, (image + 1) * dimension);
  const positions = faces.flatMap((face, image) => (face === null || isZero(rowOf(image)) ? [] : [image]));
  const kept = new Float32Array(positions.length * dimension);
  positions.forEach((image, i) => {
    kept.set(rowOf(image), i * dimension);
  });
  return { embeddings: kept, positions };
}

/** Images on the way into a bank, in parts of any size. */
export interface BankCollector {
  /** Detects and embeds the largest face of each image. */
  add(images: ImageBatch): Promise<void>;
  /**
   * Everything that was found.
   * @returns embeddings [faces, dimension], and which of all images they come from, in order
   */
  finish(): { readonly embeddings: Float32Array; readonly positions: readonly number[] };
}

/** Collects embeddings over parts of a set of images, for {@link writeFaceBank}. */
export function collectForBank(sources: BankSources): BankCollector {
  const parts: Float32Array[] = [];
  const positions: number[] = [];
  let images = 0;
  return {
    async add(part) {
      const found = await embedForBank(part, sources);
      parts.push(found.embeddings);
      positions.push(...found.positions.map((position) => images + position));
      images += part.count;
    },
    finish() {
      const embeddings = new Float32Array(positions.length * sources.dimension);
      let offset = 0;
      for (const part of parts) {
        embeddings.set(part, offset);
        offset += part.length;
      }
      return { embeddings, positions };
    },
  };
}

/** The closest faces of a bank. */
export interface NearestFaces {
  /** Which face of the bank [N] int64. */
  readonly indices: Value;
  /** Their embeddings [N, dimension]; no gradient flows through the choice. */
  readonly embeddings: Value;
  /** Cosines between the queries and them [N]. */
  readonly cosines: Value;
}

/**
 * The face of the bank with the largest cosine to each query.
 * @param queries [N, dimension], of any length
 */
export function nearestFaces(bank: FaceBank, queries: Value): NearestFaces {
  if (queries.shape.length !== 2 || queries.shape[1] !== bank.dimension) {
    throw new Error(`${bank.path}: expected queries [N, ${bank.dimension}], received [${queries.shape}]`);
  }
  const cosines = matmul(normalizeL2(queries), transposeLast(bank.embeddings));
  const indices = argMax(cosines, 1);
  return {
    indices,
    embeddings: gather(bank.embeddings, indices),
    cosines: reduceMax(cosines, { axes: [1] }),
  };
}
