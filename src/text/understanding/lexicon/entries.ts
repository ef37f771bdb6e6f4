/** What a lexicon can say about a word or phrase. */

import type { AgeValue, GenderValue, RaceValue } from '../types.ts';

/** What a word says about the person that it names or describes. */
export interface Attributes {
  readonly gender?: GenderValue;
  readonly race?: RaceValue;
  readonly age?: AgeValue;
}

/** How a noun for people is used; `generic` says no more than that there is a person. */
export type PersonRole = 'generic' | 'kin' | 'office' | 'occupation' | 'collective' | 'name' | 'title';

/** A noun for one person or several. */
export interface PersonEntry extends Attributes {
  readonly kind: 'person';
  readonly role: PersonRole;
  /** Singular of the noun, for comparing. */
  readonly noun: string;
  readonly plural: boolean;
  /** How many people a collective has; null for no fixed number. */
  readonly members?: number | null;
  /** A measure ('pair') counts people only with people after `of`, or with nothing after it. */
  readonly measure?: boolean;
  /** Also a verb or an adjective: counts only where it is used as a noun. */
  readonly ambiguous?: boolean;
  /** Rule that the findings of this word carry. */
  readonly rule: string;
}

/** A word that describes people. */
export interface AttributeEntry extends Attributes {
  readonly kind: 'attribute';
  /** Can stand for a person by itself ('a female', 'an Asian'). */
  readonly nominal?: boolean;
  /** Describes an age only before a noun such as woman or citizen ('senior', but not 'senior engineer'). */
  readonly genericOnly?: boolean;
  /** For 'year-olds'. */
  readonly plural?: boolean;
  /** A language too: says nothing before the noun of somebody who teaches or translates it. */
  readonly language?: boolean;
  readonly rule: string;
}

/** Words with other uses in finding people. */
export interface PlainEntry {
  readonly kind: 'animal' | 'body' | 'thing' | 'negator' | 'nobody' | 'image' | 'alone' | 'lone';
}

/** A number, or a word for an amount. */
export interface NumberEntry {
  readonly kind: 'number';
  readonly least: number;
  /** Null where the amount has no upper end. */
  readonly most: number | null;
}

/** An age that follows the person whom it describes; `gender` where a pronoun in it tells. */
export interface AgeEntry extends Attributes {
  readonly kind: 'age';
  readonly rule: string;
  /** Needs a noun for people directly before it. */
  readonly adjacent?: boolean;
}

/** Everything that a lexicon can say. */
export type Entry = PersonEntry | AttributeEntry | PlainEntry | NumberEntry | AgeEntry;
