/** The vocabulary of the Portraits world: groups of people and the plain description of a scene. */

import type { BackgroundKind } from './backgrounds.ts';
import type { ClothingKind } from './clothing.ts';
import type { PropKind } from './props.ts';
import type { StyleKind } from './styles.ts';

/** Gender classes in class-index order. */
export const GENDERS = ['female', 'male'] as const;
/** Race classes in class-index order: White/Middle Eastern/Latino Hispanic, Asian, Black, Indian. */
export const RACES = ['wmelh', 'asian', 'black', 'indian'] as const;
/** Age classes in class-index order: young is below 40, old is 40 and above. */
export const AGES = ['young', 'old'] as const;
/** Facial expressions that a person can wear. */
export const EXPRESSIONS = ['neutral', 'smile', 'laugh', 'sad', 'angry', 'surprised'] as const;

/** One of `GENDERS`. */
export type Gender = (typeof GENDERS)[number];
/** One of `RACES`. */
export type Race = (typeof RACES)[number];
/** One of `AGES`. */
export type Age = (typeof AGES)[number];
/** One of `EXPRESSIONS`. */
export type Expression = (typeof EXPRESSIONS)[number];

/** The three attributes that Evenhand measures and steers. */
export interface Attributes {
  readonly gender: Gender;
  readonly race: Race;
  readonly age: Age;
}

/** Number of gender x race x age groups (2 * 4 * 2). */
export const GROUP_COUNT = GENDERS.length * RACES.length * AGES.length;

/** Index of a group in every 16-long table: gender-major, then race, then age ((gender*4 + race)*2 + age). */
export function groupIndex(attributes: Attributes): number {
  const gender = GENDERS.indexOf(attributes.gender);
  const race = RACES.indexOf(attributes.race);
  return (gender * RACES.length + race) * AGES.length + AGES.indexOf(attributes.age);
}

/** Attributes of group `index` (0..15), the inverse of `groupIndex`; throws RangeError outside that range. */
export function groupAttributes(index: number): Attributes {
  if (!Number.isInteger(index) || index < 0 || index >= GROUP_COUNT) {
    throw new RangeError(`Group index must be an integer in 0..${GROUP_COUNT - 1}, got ${index}`);
  }
  return Object.freeze({
    gender: GENDERS[index >> 3]!,
    race: RACES[(index >> 1) & 3]!,
    age: AGES[index & 1]!,
  });
}

/** Where a head stands, on a canvas of 64 x 64 units: centre of the face, its height (skull top to chin), tilt. */
export interface Pose {
  readonly x: number;
  readonly y: number;
  readonly height: number;
  /** Clockwise rotation in degrees. */
  readonly tilt: number;
}

/** What a person wears: the garment and its main and second colour (`#rrggbb`). */
export interface Clothing {
  readonly kind: ClothingKind;
  readonly color: string;
  readonly accent: string;
}

/** One person of a scene; `variation` seeds everything about the face that the attributes leave open. */
export interface Person extends Attributes {
  readonly variation: number;
  readonly expression: Expression;
  readonly clothing: Clothing;
  readonly pose: Pose;
}

/** An object of a scene, centred at (x, y) with side `size`, in canvas units of 1/64 of the image. */
export interface Prop {
  readonly kind: PropKind;
  readonly color: string;
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

/** What stands behind the people: pattern, main colour and second colour (`#rrggbb`). */
export interface Background {
  readonly kind: BackgroundKind;
  readonly color: string;
  readonly accent: string;
}

/** A complete picture in words: `drawScene` turns it into SVG. Always frozen. */
export interface Scene {
  readonly people: readonly Person[];
  readonly props: readonly Prop[];
  readonly background: Background;
  readonly style: StyleKind;
}

/** Returns `scene` with the scene and everything inside it frozen. */
export function freezeScene(scene: Scene): Scene {
  for (const person of scene.people) {
    Object.freeze(person.clothing);
    Object.freeze(person.pose);
    Object.freeze(person);
  }
  for (const prop of scene.props) Object.freeze(prop);
  Object.freeze(scene.people);
  Object.freeze(scene.props);
  Object.freeze(scene.background);
  return Object.freeze(scene);
}
