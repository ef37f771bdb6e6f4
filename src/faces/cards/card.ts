/** Cards: small YAML files that say how a face model of someone else is fed, what comes out, and whose it is. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const text = z.string().min(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);

const inputSchema = z
  .strictObject({
    /** The model's input; may be left out where there is one. */
    name: text.optional(),
    /** Side of the square images in pixels. */
    side: z.int().positive(),
    /** Numbers that stand for black and white. */
    range: z.tuple([z.number(), z.number()]).optional(),
    /** Instead of a range: mean and deviation of each channel, where black is 0 and white 1. */
    mean: triple.optional(),
    deviation: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).optional(),
    channels: z.enum(['rgb', 'bgr']).default('rgb'),
    /** Order of axes of an ONNX model; TensorFlow's is nhwc always. */
    layout: z.enum(['nchw', 'nhwc']).default('nchw'),
  })
  .refine(
    ({ range, mean, deviation }) =>
      (range === undefined) !== (mean === undefined) && (mean === undefined) === (deviation === undefined),
    {
      message: 'expected either range, or mean and deviation together',
    },
  );

const headSchema = z.strictObject({
  /** The model's output; may be left out where there is one. */
  tensor: text.optional(),
  /** First of the columns that belong to this attribute. */
  from: z.int().min(0).default(0),
  /**
   * What a row holds: `logits` before a softmax or `probabilities` after it, one for each class; or of two classes one number
   * for the second, `logit` before a sigmoid or `probability` after it.
   */
  kind: z.enum(['logits', 'probabilities', 'logit', 'probability']),
  /** Names in the order of the columns; `0-99` for the numbers from 0 to 99. */
  classes: z.union([
    z.array(text).min(2),
    z.string().regex(/^\d+-\d+$/, 'expected names, or numbers as in 0-99'),
  ]),
  /** Classes that count as one, by its name; numbers may be given as ranges. */
  groups: z.record(text, z.union([z.array(text).min(1), text])).optional(),
});

const common = {
  name: text,
  /** SPDX identifier of the weights' licence. */
  license: text,
  /** Where the weights come from. */
  source: text,
  /** `.onnx`, or the model.json of a TensorFlow.js graph model; relative to the card, or `npm:PACKAGE/FILE`. */
  model: text,
  note: text.optional(),
  input: inputSchema,
};

const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('detector'),
    ...common,
    decoder: z.literal('blazeface'),
    /** Smallest score of a face; .6 when left out. */
    threshold: z.number().min(0).max(1).optional(),
  }),
  z.strictObject({
    kind: z.literal('classifier'),
    ...common,
    /** Side of the crop over the longest side of the face's box. */
    margin: z.number().positive().optional(),
    outputs: z.record(text, headSchema),
  }),
  z.strictObject({ kind: z.literal('embedder'), ...common, tensor: text.optional() }),
]);

/** A checked card. */
export type FaceModelCard = Readonly<z.output<typeof schema>>;

/** A card of one kind. */
export type CardOf<Kind extends FaceModelCard['kind']> = Extract<FaceModelCard, { readonly kind: Kind }>;

/** How a model's images are made. */
export type CardInput = FaceModelCard['input'];

/** One attribute of a classifier's card. */
export type CardHead = CardOf<'classifier'>['outputs'][string];

/** A card with the file that it was read from. */
export interface OpenedCard<Card extends FaceModelCard = FaceModelCard> {
  readonly card: Card;
  /** Absolute path of the card. */
  readonly file: string;
}

/** Whether a path names a card (`.yaml`, `.yml`) and not a model folder. */
export function isCard(file: string): boolean {
  return /\.ya?ml$/i.test(file);
}

/**
 * Checks a parsed card.
 * @throws Error naming every field that is missing, unknown or wrong
 */
export function parseCard(value: unknown): FaceModelCard {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const field = issue.path.join('.');
    const received = issue.input === undefined ? '' : `, received ${JSON.stringify(issue.input)}`;
    return `${field === '' ? '' : `${field}: `}${issue.message}${received}`;
  });
  throw new Error(faults.join('; '));
}

/**
 * Reads a card.
 * @throws Error naming the file, and each field that is wrong
 */
export function readCard(file: string): OpenedCard {
  const absolute = path.resolve(file);
  try {
    return { card: parseCard(parse(readFileSync(absolute, 'utf8'))), file: absolute };
  } catch (error) {
    throw new Error(`${absolute}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Reads a card of one kind.
 * @throws Error naming the file when it is a card of another kind
 */
export function readCardOf<Kind extends FaceModelCard['kind']>(
  kind: Kind,
  file: string,
): OpenedCard<CardOf<Kind>> {
  const opened = readCard(file);
  if (opened.card.kind !== kind) {
    throw new Error(`${opened.file}: expected the card of a ${kind}, received that of a ${opened.card.kind}`);
  }
  return opened as OpenedCard<CardOf<Kind>>;
}
