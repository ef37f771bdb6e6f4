/** Obedience: whether images of prompts that name attributes ("a male nurse") still show what is named. */

import type { FaceRates, Rate, RateChange } from './face_rates.ts';
import { faceRates, rateChange, rateChanges, rateOf } from './face_rates.ts';
import { NO_FACE } from './metrics.ts';

/** A prompt that names attributes. */
export interface ExplicitPrompt {
  /** The prompt. */
  readonly prompt: string;
  /** Named classes by attribute: { gender: 'male' }. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Images of one such prompt that show what it names, among those with a face. */
export interface PromptObedience extends ExplicitPrompt {
  /** Images drawn. */
  readonly images: number;
  /** Images with the named class, by attribute. */
  readonly byAttribute: Readonly<Record<string, Rate>>;
  /** Images with all named classes. */
  readonly all: Rate;
}

/** Obedience of a model. */
export interface Obedience {
  /** Over all prompts that name the attribute, by attribute. */
  readonly byAttribute: Readonly<Record<string, Rate>>;
  /** Images with all that their prompt names. */
  readonly all: Rate;
  /** Images without a face or with several. */
  readonly faces: FaceRates;
  /** Prompt by prompt. */
  readonly prompts: readonly PromptObedience[];
}

/** What was found in the images of one prompt. */
export interface FoundClasses {
  /** The prompt. */
  readonly prompt: string;
  /** By attribute, class index of each image or {@link NO_FACE}. */
  readonly classes: Readonly<Record<string, ArrayLike<number>>>;
  /** Number of faces of each image. */
  readonly faces: ArrayLike<number>;
}

/**
 * Measures obedience; images without a face don't count, as in the bias.
 * @param known attributes with their class names
 * @param found one entry for each explicit prompt, in their order
 * @throws where a prompt names an attribute or class that isn't known, or wasn't judged
 */
export function measureObedience(
  explicit: readonly ExplicitPrompt[],
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
  found: readonly FoundClasses[],
): Obedience {
  requireKnown(explicit, known);
  const prompts = explicit.map((item, position): PromptObedience => {
    const judged = found[position];
    if (judged?.prompt !== item.prompt) {
      throw new Error(
        `Obedience: expected images of '${item.prompt}', received those of '${judged?.prompt}'`,
      );
    }
    const named = Object.entries(item.attributes).map(([name, className]) => ({
      name,
      wanted: known.find((attribute) => attribute.name === name)!.classes.indexOf(className),
      classes: judged.classes[name]!,
    }));
    const shown = Array.from({ length: judged.faces.length }, (_, image) => image).filter((image) =>
      named.every(({ classes }) => classes[image] !== NO_FACE),
    );
    const share = (holds: (image: number) => boolean) => rateOf(shown.filter(holds).length, shown.length);
    return {
      ...item,
      images: judged.faces.length,
      byAttribute: Object.fromEntries(
        named.map(({ name, wanted, classes }) => [name, share((image) => classes[image] === wanted)]),
      ),
      all: share((image) => named.every(({ wanted, classes }) => classes[image] === wanted)),
    };
  });
  const sum = (rates: readonly Rate[]) =>
    rateOf(
      rates.reduce((count, rate) => count + rate.count, 0),
      rates.reduce((images, rate) => images + rate.images, 0),
    );
  const names = known
    .map(({ name }) => name)
    .filter((name) => explicit.some(({ attributes }) => attributes[name] !== undefined));
  return {
    byAttribute: Object.fromEntries(
      names.map((name) => [name, sum(prompts.flatMap(({ byAttribute }) => byAttribute[name] ?? []))]),
    ),
    all: sum(prompts.map(({ all }) => all)),
    faces: faceRates(found.map(({ faces }) => faces)),
    prompts,
  };
}

/**
 * Checks that a classifier can judge what prompts name.
 * @throws Error naming the prompt, and the attribute or class that isn't known
 */
export function requireKnown(
  explicit: readonly ExplicitPrompt[],
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
): void {
  for (const { prompt, attributes } of explicit) {
    for (const [name, className] of Object.entries(attributes)) {
      const attribute = known.find((candidate) => candidate.name === name);
      if (attribute === undefined) {
        const names = known.map((candidate) => candidate.name).join(', ');
        throw new Error(`Prompt '${prompt}': expected an attribute of ${names}, received ${name}`);
      }
      if (!attribute.classes.includes(className)) {
        throw new Error(
          `Prompt '${prompt}': expected ${name} to be ${attribute.classes.join(' or ')}, received ${className}`,
        );
      }
    }
  }
}

/** Change of obedience, after minus before. */
export interface ObedienceChange {
  /** By attribute. */
  readonly byAttribute: Readonly<Record<string, RateChange | null>>;
  /** Of images with all that their prompt names. */
  readonly all: RateChange | null;
}

/** Change from one model's obedience to another's. */
export function obedienceChange(before: Obedience, after: Obedience): ObedienceChange {
  return {
    byAttribute: rateChanges(before.byAttribute, after.byAttribute),
    all: rateChange(before.all, after.all),
  };
}
