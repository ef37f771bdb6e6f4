/** How each gender, race and age looks: closed lists of facesjs parts and colours that never overlap between groups. */

import type { FaceConfig as PlainFaceConfig } from 'facesjs';
import { randomStream } from './random.ts';
import type { Attributes, Gender, Race } from './scene.ts';

/** A head of hair in facesjs terms: the part in front of the head and the part behind it. */
export interface Hairstyle {
  readonly front: string;
  readonly back: string;
}

/** Skin colours by race, light to dark; the lists are far apart in hue (wmelh, asian) or lightness (indian, black). */
export const SKIN_COLORS: Readonly<Record<Race, readonly string[]>> = {
  wmelh: ['#fddfd6', '#f8d0c6'],
  asian: ['#eec68e', '#e2b780'],
  black: ['#633e31', '#503126'],
  indian: ['#bd875b', '#b07a50'],
};

/** Hair colours of young people by race. */
export const YOUNG_HAIR_COLORS: Readonly<Record<Race, readonly string[]>> = {
  wmelh: ['#6b3f1f', '#94501f', '#b0481f', '#d8a23c'],
  asian: ['#1d1a1c'],
  black: ['#1d1a1c'],
  indian: ['#1d1a1c', '#2c1d17'],
};

/** Hair colours of old people, whatever the race. */
export const OLD_HAIR_COLORS: readonly string[] = ['#f4f4f4', '#dfe2e6'];

/** Hairstyles by gender and race: long for women, short for men; texture and cut tell the races apart. */
export const HAIRSTYLES: Readonly<Record<Gender, Readonly<Record<Race, readonly Hairstyle[]>>>> = {
  female: {
    wmelh: [
      { front: 'female5', back: 'female5' },
      { front: 'female6', back: 'female5' },
      { front: 'female4', back: 'female5' },
    ],
    asian: [
      { front: 'female1', back: 'female3' },
      { front: 'female7', back: 'female3' },
    ],
    black: [
      { front: 'afro', back: 'female1' },
      { front: 'afro2', back: 'female1' },
    ],
    indian: [
      { front: 'female6', back: 'female2' },
      { front: 'female9', back: 'female2' },
    ],
  },
  male: {
    wmelh: [
      { front: 'hair', back: 'none' },
      { front: 'parted', back: 'none' },
    ],
    asian: [
      { front: 'shortBangs', back: 'none' },
      { front: 'emo', back: 'none' },
    ],
    black: [
      { front: 'high', back: 'none' },
      { front: 'curlyFade2', back: 'none' },
    ],
    indian: [
      { front: 'short2', back: 'none' },
      { front: 'middle-part', back: 'none' },
    ],
  },
};

const EYES: Readonly<Record<Gender, readonly string[]>> = {
  female: ['female6', 'female2'],
  male: ['eye8', 'eye4'],
};
const EYES_ASIAN: Readonly<Record<Gender, readonly string[]>> = { female: ['female8'], male: ['eye9'] };
const EYEBROWS: Readonly<Record<Gender, readonly string[]>> = {
  female: ['female2', 'female5'],
  male: ['eyebrow1', 'eyebrow7'],
};
const HEADS: Readonly<Record<Gender, readonly string[]>> = {
  female: ['female1', 'female3'],
  male: ['head1', 'head4'],
};
const NOSES: readonly string[] = ['nose1', 'nose3', 'small'];
const BEARDS: readonly string[] = ['beard1', 'mustache1', 'fullgoatee3'];
const LIP_COLORS: Readonly<Record<Race, string>> = {
  wmelh: '#c2414d',
  asian: '#c2414d',
  black: '#a8323f',
  indian: '#a8323f',
};

/** Share of men with facial hair. */
export const BEARD_RATE = 0.5;
/** Share of old men whose hair has receded to the sides. */
export const RECEDING_RATE = 0.25;
/** Share of people with glasses by age. */
export const GLASSES_RATE = { young: 0.06, old: 0.5 } as const;

/** A facesjs face; the size of the eyes is honoured by facesjs though its types don't name it. */
export type FaceConfig = PlainFaceConfig & { readonly eye: { readonly size?: number } };

/** Everything that `drawHead` needs to know about one face. */
export interface Appearance {
  readonly face: FaceConfig;
  readonly skin: string;
  /** Lip colour, or null where the mouth is a plain dark line. */
  readonly lips: string | null;
  readonly glasses: boolean;
  readonly wrinkles: boolean;
  /** Half of the head's width in facesjs units (the head is 400 units high). */
  readonly halfWidth: number;
}

/** Chooses the face of a person with the given attributes; `variation` (any integer) settles all that is left open. */
export function appearanceOf(attributes: Attributes, variation: number): Appearance {
  const { gender, race, age } = attributes;
  const draw = randomStream('appearance', variation);
  const skin = draw.choose(SKIN_COLORS[race]);
  const youngHair = draw.choose(YOUNG_HAIR_COLORS[race]);
  const oldHair = draw.choose(OLD_HAIR_COLORS);
  const style = draw.choose(HAIRSTYLES[gender][race]);
  const receding = draw.uniform() < RECEDING_RATE && gender === 'male' && age === 'old';
  const beard = draw.uniform() < BEARD_RATE && gender === 'male' ? draw.choose(BEARDS) : 'none';
  const glasses = draw.uniform() < GLASSES_RATE[age];
  const fatness = gender === 'male' ? draw.between(0.5, 0.8) : draw.between(0.2, 0.4);
  const face: FaceConfig = {
    fatness,
    teamColors: ['#89bfd3', '#7a1319', '#07364f'],
    hairBg: { id: style.back },
    body: { id: 'none', color: skin, size: 1 },
    jersey: { id: 'none' },
    ear: { id: 'ear1', size: gender === 'male' ? 0.9 : 0.6 },
    head: { id: draw.choose(HEADS[gender]), shave: 'rgba(0,0,0,0)' },
    eyeLine: { id: 'none' },
    smileLine: { id: 'none', size: 1 },
    miscLine: { id: 'none' },
    facialHair: { id: beard },
    eye: { id: draw.choose(race === 'asian' ? EYES_ASIAN[gender] : EYES[gender]), angle: 0, size: 1.3 },
    eyebrow: { id: draw.choose(EYEBROWS[gender]), angle: 0 },
    hair: {
      id: receding ? 'short-bald' : style.front,
      color: age === 'old' ? oldHair : youngHair,
      flip: false,
    },
    mouth: { id: 'none', flip: false },
    nose: { id: draw.choose(NOSES), flip: false, size: 0.8 },
    glasses: { id: 'none' },
    accessories: { id: 'none' },
  };
  return {
    face,
    skin,
    lips: gender === 'female' ? LIP_COLORS[race] : null,
    glasses,
    wrinkles: age === 'old',
    halfWidth: 150 * (0.8 + 0.2 * fatness),
  };
}
