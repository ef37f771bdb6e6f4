/** What the judges say of the images of one prompt, in parts that can be joined. */

import type { RgbImage } from '../diffusion/image.ts';
import type { Observation } from '../fairness/index.ts';
import { largestClass } from '../fairness/index.ts';
import { NO_FACE } from './metrics.ts';

/** Classes of every image of one prompt. */
export interface JudgedPrompt {
  readonly prompt: string;
  /** Seed of each image [images]. */
  readonly seeds: readonly number[];
  /** By attribute, class index of the largest face or {@link NO_FACE} [images]. */
  readonly classes: Readonly<Record<string, Int32Array>>;
  /** By attribute, probability of that class, NaN without a face [images]. */
  readonly confidences: Readonly<Record<string, Float32Array>>;
  /** Number of faces of each image. */
  readonly faces: Int32Array;
  /** Features of the images [images, dimension] by encoder; none where no encoder was asked. */
  readonly features: Readonly<Record<string, Float32Array>>;
}

/** Some images of a prompt, judged together. */
export interface JudgedPart extends JudgedPrompt {
  /** The first of these images themselves, as many as were kept. */
  readonly pictures: readonly RgbImage[];
}

/** One kept image with what the classifier says of its face. */
export interface JudgedImage {
  readonly prompt: string;
  readonly seed: number;
  readonly image: RgbImage;
  /** Class and its probability by attribute; null where there is no face. */
  readonly attributes: Readonly<
    Record<string, { readonly name: string; readonly probability: number } | null>
  >;
}

/** What an observation says of each image: its class, the class's probability, and the number of faces. */
export function judgedClasses({
  attributes,
  probabilities,
  selections,
}: Observation): Pick<JudgedPrompt, 'classes' | 'confidences' | 'faces'> {
  const classes: Record<string, Int32Array> = {};
  const confidences: Record<string, Float32Array> = {};
  attributes.forEach(({ name, classes: names }, axis) => {
    const rows = probabilities[axis]!;
    classes[name] = Int32Array.from(
      selections,
      (_, image) => largestClass(rows, image, names.length) ?? NO_FACE,
    );
    confidences[name] = Float32Array.from(selections, (_, image) => {
      const found = classes[name]![image]!;
      return found === NO_FACE ? Number.NaN : rows[image * names.length + found]!;
    });
  });
  return { classes, confidences, faces: Int32Array.from(selections, ({ faces }) => faces) };
}

/**
 * Parts of one prompt, joined in order.
 * @throws Error when there is none
 */
export function joinParts(parts: readonly JudgedPart[]): JudgedPrompt {
  const [first] = parts;
  if (first === undefined) throw new Error('judgement: expected at least one part, received none');
  const columns = <T>(read: (part: JudgedPart) => Readonly<Record<string, T>>, join: (rows: T[]) => T) =>
    Object.fromEntries(
      Object.keys(read(first)).map((name) => [name, join(parts.map((part) => read(part)[name]!))]),
    );
  const integers = (rows: Int32Array[]) => Int32Array.from(rows.flatMap((row) => Array.from(row)));
  return {
    prompt: first.prompt,
    seeds: parts.flatMap(({ seeds }) => seeds),
    classes: columns(({ classes }) => classes, integers),
    confidences: columns(({ confidences }) => confidences, joinFloats),
    faces: integers(parts.map(({ faces }) => faces)),
    features: columns(({ features }) => features, joinFloats),
  };
}

function joinFloats(rows: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(rows.reduce((length, row) => length + row.length, 0));
  let offset = 0;
  for (const row of rows) {
    joined.set(row, offset);
    offset += row.length;
  }
  return joined;
}

/**
 * The kept images of a part with their predictions in words.
 * @param attributes attributes of the classifier
 */
export function keptImages(
  part: JudgedPart,
  attributes: readonly { readonly name: string; readonly classes: readonly string[] }[],
): JudgedImage[] {
  return part.pictures.map((image, i) => ({
    prompt: part.prompt,
    seed: part.seeds[i]!,
    image,
    attributes: Object.fromEntries(
      attributes.map(({ name, classes }) => {
        const found = part.classes[name]![i]!;
        if (found === NO_FACE) return [name, null];
        return [name, { name: classes[found]!, probability: part.confidences[name]![i]! }];
      }),
    ),
  }));
}
