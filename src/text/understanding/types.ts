/** What understanding a prompt gives: plain frozen objects, each with its place in the prompt and the rule that found it. */

/** Genders that prompts name. */
export type GenderValue = 'female' | 'male' | 'nonbinary';

/**
 * Races that prompts name, in the method's groups: `wmelh` for White, Middle Eastern and Latino Hispanic, `indian` for
 * South Asian; `other` for several groups or none of them; `unspecified` for a skin colour that names no group.
 */
export type RaceValue = 'wmelh' | 'asian' | 'black' | 'indian' | 'other' | 'unspecified';

/** Ages in the method's groups: 0 to 39 years, and above. */
export type AgeValue = 'young' | 'old';

/** Something found in a prompt: characters `start` up to `end`, exclusive. */
export interface Finding<Value = string> {
  readonly start: number;
  readonly end: number;
  /** The prompt's own characters. */
  readonly text: string;
  /** The same in a normal form. */
  readonly value: Value;
  /** Name of the rule that found it. */
  readonly rule: string;
}

/** A word or mark, with its part of speech (Universal Dependencies' tags, such as NOUN) and lemma. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly partOfSpeech: string;
  readonly lemma: string;
}

/** A described attribute of people, as the prompt words it. */
export type AttributeFinding =
  | (Finding<GenderValue> & { readonly attribute: 'gender' })
  | (Finding<RaceValue> & { readonly attribute: 'race' })
  | (Finding<AgeValue> & { readonly attribute: 'age' });

/** How many people: `least` to `most`, which is null for no upper end. */
export interface PeopleCount {
  readonly least: number;
  readonly most: number | null;
  /** Whether the prompt says the number or that there are several, beyond naming one person. */
  readonly explicit: boolean;
}

/** One person, or several of whom the prompt says the same. */
export interface PersonGroup {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly count: PeopleCount;
  readonly attributes: readonly AttributeFinding[];
  readonly occupation: Finding | null;
  readonly activity: Finding | null;
  readonly name: Finding | null;
}

/** Who is in a prompt. */
export interface People {
  readonly groups: readonly PersonGroup[];
  /** People together; null where the prompt speaks of no people. */
  readonly count: PeopleCount | null;
  /** What the prompt says is not so: people and attributes after a negation. */
  readonly negated: readonly Finding[];
}

/** A person, date or place by name. */
export interface Entity extends Finding {
  readonly kind: 'person' | 'date' | 'place';
}

/** What the user wants: an image (drawn, changed or varied), an answer, a measurement, fine-tuning, or help. */
export type IntentKind = 'draw' | 'edit' | 'vary' | 'ask' | 'measure' | 'finetune' | 'help';

/** The intent, and how many images it asks for (null where the prompt doesn't say). */
export interface Intent {
  readonly kind: IntentKind;
  readonly images: number | null;
  readonly rule: string;
}

/** A structured command, `/name [count] prompt [--option value]`. */
export interface StructuredCommand {
  readonly name: string;
  readonly count: number | null;
  readonly prompt: string;
  /** Options by their names in camelCase. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** Everything that understanding a prompt gives. */
export interface Understanding {
  readonly prompt: string;
  readonly tokens: readonly Token[];
  readonly entities: readonly Entity[];
  readonly people: People;
  readonly styles: readonly Finding[];
  readonly intent: Intent;
  /** Null for natural language. */
  readonly command: StructuredCommand | null;
}
