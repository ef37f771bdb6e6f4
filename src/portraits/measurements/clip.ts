/** What the CLIPs of Portraits know: which caption belongs to which scene, and which words belong to which person. */

import { loadImageFeatures } from '../../evaluate/image_features.ts';
import { imageBatch as batchOf } from '../../faces/index.ts';
import type { Runtime } from '../../graph/index.ts';
import type { Dataset } from '../dataset.ts';
import { findPrompt } from '../prompts/index.ts';
import type { Attributes } from '../scene.ts';
import { imageBatch } from '../training/vae.ts';
import { dot, effectiveRank, meanCosine, unitRows } from './feature_rows.ts';

/** Figures of a CLIP. */
export interface ClipFigures {
  readonly pictures: number;
  /** Effective rank of the embeddings of pictures, divided by their lengths; and the mean cosine of two of them. */
  readonly effectiveRank: number;
  readonly meanCosine: number;
  readonly retrieval: RetrievalFigures;
  /** Accuracy of the likeliest word for an attribute, on portraits of occupations, by attribute. */
  readonly words: Readonly<
    Record<keyof Attributes, { readonly pictures: number; readonly accuracy: number }>
  >;
}

/** How often the nearest among the other kind is the right one, in galleries of equal size. */
export interface RetrievalFigures {
  /** Pictures, and captions, among which the nearest is looked for. */
  readonly gallery: number;
  readonly captionOfPicture: number;
  readonly pictureOfCaption: number;
  /** Mean cosine of a picture and its caption, and of a picture and another's caption in the gallery. */
  readonly own: number;
  readonly other: number;
}

/** Scenes of a gallery. */
const GALLERY = 100;

/** Words for the classes of an attribute, in front of an occupation. */
const WORDS: Readonly<Record<keyof Attributes, Readonly<Record<string, string>>>> = Object.freeze({
  gender: { female: 'a female', male: 'a male' },
  race: { wmelh: 'a White', asian: 'an Asian', black: 'a Black', indian: 'an Indian' },
  age: { young: 'a young', old: 'an old' },
});

/**
 * Retrieval in galleries of consecutive pictures; equal captions count as one, and a last gallery that isn't full is left out.
 * @param pictures embeddings by picture, of length 1
 * @param texts embeddings of their captions, of length 1
 */
export function retrievalFigures(
  pictures: readonly Float64Array[],
  texts: readonly Float64Array[],
  captions: readonly string[],
  gallery = GALLERY,
): RetrievalFigures {
  const galleries = Math.floor(pictures.length / gallery);
  const totals = { captions: 0, pictures: 0, own: 0, other: 0, others: 0 };
  for (let g = 0; g < galleries; g++) {
    const members = Array.from({ length: gallery }, (_, i) => g * gallery + i);
    const similarity = members.map((p) => members.map((t) => dot(pictures[p]!, texts[t]!)));
    const isRight = (p: number, t: number) => captions[members[p]!] === captions[members[t]!];
    members.forEach((_, i) => {
      if (isRight(i, largest(similarity[i]!))) totals.captions++;
      if (isRight(largest(similarity.map((row) => row[i]!)), i)) totals.pictures++;
      totals.own += similarity[i]![i]!;
      similarity[i]!.forEach((value, t) => {
        if (isRight(i, t)) return;
        totals.other += value;
        totals.others++;
      });
    });
  }
  const count = galleries * gallery;
  return {
    gallery,
    captionOfPicture: totals.captions / count,
    pictureOfCaption: totals.pictures / count,
    own: totals.own / count,
    other: totals.other / totals.others,
  };
}

/** Position of the largest value; the first of several. */
function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

/**
 * Measures a CLIP on the single portraits of a data set.
 * @param clipFolder its folder, with text half
 * @param tokenizer folder of its tokenizer
 * @throws Error when the folder has no text half
 */
export async function measureClip(
  runtime: Runtime,
  clipFolder: string,
  tokenizer: string,
  data: Dataset,
): Promise<ClipFigures> {
  const features = loadImageFeatures(runtime, { clip: clipFolder, dino: null, tokenizer });
  const { clip: width } = features.dimensions;
  if (features.encodeTexts === null || width === undefined) {
    throw new Error(`${clipFolder}: expected a CLIP with its text half, found the image half alone`);
  }
  const { encodeTexts } = features;
  const embedTexts = async (texts: readonly string[]) => unitRows(await encodeTexts(texts), width);
  const portraits = Array.from({ length: data.count }, (_, index) => data.record(index)).filter(
    ({ faces }) => faces.length === 1,
  );
  const indices = portraits.map(({ index }) => index);
  const planes = batchOf(imageBatch(data, indices), indices.length, data.size, data.size);
  const pictures = unitRows((await features.encodeImages(planes)).clip!, width);
  const captions = portraits.map(({ caption }) => caption);
  const retrieval = retrievalFigures(pictures, await embedTexts(captions), captions);

  const atWork = portraits.flatMap(({ prompt, faces }, picture) => {
    const entry = prompt === null ? undefined : findPrompt(prompt);
    if (entry?.family !== 'occupation') return [];
    return [{ picture, subject: entry.subject, attributes: faces[0]!.attributes }];
  });
  const wordFigures = async (attribute: keyof Attributes) => {
    const classes = Object.keys(WORDS[attribute]);
    const texts = await embedTexts(
      atWork.flatMap(({ subject }) =>
        classes.map((name) => `a photo of the face of ${WORDS[attribute][name]} ${subject}, a person`),
      ),
    );
    const right = atWork.filter(({ picture, attributes }, i) => {
      const cosines = classes.map((_, k) => dot(pictures[picture]!, texts[i * classes.length + k]!));
      return classes[largest(cosines)] === attributes[attribute];
    }).length;
    return { pictures: atWork.length, accuracy: right / atWork.length };
  };
  const words = {
    gender: await wordFigures('gender'),
    race: await wordFigures('race'),
    age: await wordFigures('age'),
  };
  await features.release();
  return {
    pictures: pictures.length,
    effectiveRank: effectiveRank(pictures),
    meanCosine: meanCosine(pictures),
    retrieval,
    words,
  };
}
