/** How far the similarity of an encoder falls when a scene changes: by faults, by who the person is, by what is around. */

import { writePlanes } from '../../diffusion/image.ts';
import { imageBatch } from '../../faces/index.ts';
import type { ImageEncoder } from '../../fairness/index.ts';
import { createImageEncodings } from '../../fairness/index.ts';
import type { Runtime } from '../../graph/index.ts';
import { sampleCaptionedScene } from '../captions.ts';
import { CANVAS_SIZE, rasterizeScene } from '../draw.ts';
import type { Person, Scene } from '../scene.ts';
import { AGES, freezeScene, GENDERS, RACES } from '../scene.ts';
import { softFaults } from './changes.ts';
import { dot, unitRows } from './feature_rows.ts';

/** What is changed in a scene; each keeps everything else, `scene` keeps nothing. */
export const SCENE_CHANGES = ['faults', 'gender', 'person', 'clothing', 'surroundings', 'scene'] as const;

/** Mean cosines by change, and what the encoder takes. */
export interface SemanticsFigures {
  readonly images: number;
  /** Mean cosine of a picture and its changed one. */
  readonly similarity: Readonly<Record<(typeof SCENE_CHANGES)[number], number>>;
  /** Seconds for 100 images, the first batch apart. */
  readonly secondsPer100: number;
}

/** Half the resolution at worst, and noise: what a picture may suffer and still show the same. */
const FAULTS = Object.freeze({ resolution: 0.5, noise: 0.1 });

const CAPTIONS = Object.freeze({ guidanceCalibration: 0, weights: { several: 0, nobody: 0 } });

function next<Item>(items: readonly Item[], item: Item): Item {
  return items[(items.indexOf(item) + 1) % items.length]!;
}

function otherPerson(person: Person): Person {
  const { gender, race, age, variation } = person;
  const attributes = { gender: next(GENDERS, gender), race: next(RACES, race), age: next(AGES, age) };
  return { ...person, ...attributes, variation: variation + 1 };
}

/** Scenes by change; `other` is what clothing, surroundings and the whole scene are taken from. */
function changedScenes(scene: Scene, other: Scene) {
  const withPerson = (change: (person: Person) => Person) =>
    freezeScene({ ...scene, people: scene.people.map(change) });
  return {
    gender: withPerson((person) => ({ ...person, gender: next(GENDERS, person.gender) })),
    person: withPerson(otherPerson),
    clothing: withPerson((person) => ({ ...person, clothing: other.people[0]!.clothing })),
    surroundings: freezeScene({ ...scene, props: other.props, background: other.background }),
    scene: other,
  };
}

/**
 * Measures an encoder on portraits of one person each.
 * @param seed sequence of scenes; the first `count` are changed, each with the help of the one `count` later
 */
export async function measureSemantics(
  runtime: Runtime,
  encoder: ImageEncoder,
  seed: number,
  count: number,
): Promise<SemanticsFigures> {
  const sceneAt = (index: number) => sampleCaptionedScene(seed, index, CAPTIONS).scene;
  const size = CANVAS_SIZE;
  const drawn = (scenes: readonly Scene[]) => {
    const planes = new Float32Array(count * 3 * size * size);
    scenes.forEach((scene, i) => {
      writePlanes(planes, i, rasterizeScene(scene, size).pixels);
    });
    return planes;
  };
  const originals = Array.from({ length: count }, (_, i) => sceneAt(i));
  const changed = originals.map((scene, i) => changedScenes(scene, sceneAt(count + i)));
  const pictures = drawn(originals);
  const sets: Record<(typeof SCENE_CHANGES)[number], Float32Array> = {
    faults: await softFaults(size, FAULTS.resolution, FAULTS.noise)(pictures, count),
    gender: drawn(changed.map(({ gender }) => gender)),
    person: drawn(changed.map(({ person }) => person)),
    clothing: drawn(changed.map(({ clothing }) => clothing)),
    surroundings: drawn(changed.map(({ surroundings }) => surroundings)),
    scene: drawn(changed.map(({ scene }) => scene)),
  };
  const encodings = createImageEncodings(runtime, [encoder]);
  const encode = async (planes: Float32Array) => {
    const found = await encodings.encode(imageBatch(planes, count, size, size));
    return unitRows(found[encoder.name]!, encoder.dimension);
  };
  const before = await encode(pictures);
  const started = performance.now();
  const similarity: Partial<Record<(typeof SCENE_CHANGES)[number], number>> = {};
  for (const name of SCENE_CHANGES) {
    const after = await encode(sets[name]);
    similarity[name] = after.reduce((sum, row, i) => sum + dot(row, before[i]!) / count, 0);
  }
  const seconds = (performance.now() - started) / 1000;
  await encodings.release();
  return {
    images: count,
    similarity: similarity as SemanticsFigures['similarity'],
    secondsPer100: (100 * seconds) / (count * SCENE_CHANGES.length),
  };
}
