/**
 * What an image was made from, in the words of AUTOMATIC1111's `parameters` text and as a JSON record.
 */

import type { PngText } from './png_chunks.ts';

/** Keyword of AUTOMATIC1111's text. */
export const PARAMETERS_KEYWORD = 'parameters';
/** Keyword of the JSON record. */
export const RECORD_KEYWORD = 'evenhand';

/** Settings of one generated image. */
export interface GenerationParameters {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly steps: number;
  /** Name for people, such as `DPM++ 2M`. */
  readonly sampler: string;
  /** Noise schedule, such as `Karras`. */
  readonly scheduleType?: string;
  readonly guidanceScale: number;
  readonly seed: number | bigint;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** First 10 hexadecimal digits of the SHA-256 of the weights. */
  readonly modelHash?: string;
  readonly model?: string;
  /** More settings, written after the model in this order. */
  readonly extra?: Readonly<Record<string, string | number>>;
  /** Program and version. */
  readonly version?: string;
}

/** A `parameters` text taken apart. */
export interface ParsedParameters {
  readonly prompt: string;
  /** Empty if there is none. */
  readonly negativePrompt: string;
  /** Settings by name as written: `Steps`, `Sampler`, `CFG scale`, `Seed`, `Size` ... */
  readonly settings: Readonly<Record<string, string>>;
}

/** Values with a comma, colon or line break, or that reading would change, are written as JSON strings. */
function quote(value: string): string {
  return /[,:\n]|^["\s]|\s$/.test(value) ? JSON.stringify(value) : value;
}

function unquote(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

/** PNG text cannot hold NUL; a prompt with one is shown with U+FFFD (the JSON record keeps it). */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}

const NEGATIVE_PROMPT = 'Negative prompt:';

/**
 * The `parameters` text of AUTOMATIC1111: prompt, a line `Negative prompt: ...` if there is one, and a last
 * line `Steps: 20, Sampler: ..., CFG scale: 7.5, Seed: ..., Size: 512x512, ... Version: ...`.
 * @throws when the name of an extra setting could not be read back
 */
export function formatParameters(parameters: GenerationParameters): string {
  const { width, height, extra = {} } = parameters;
  const settings: [string, string | number | bigint | undefined][] = [
    ['Steps', parameters.steps],
    ['Sampler', parameters.sampler],
    ['Schedule type', parameters.scheduleType],
    ['CFG scale', parameters.guidanceScale],
    ['Seed', parameters.seed],
    ['Size', `${width}x${height}`],
    ['Model hash', parameters.modelHash],
    ['Model', parameters.model],
    ...Object.entries(extra),
    ['Version', parameters.version],
  ];
  const unreadable = Object.keys(extra).find((name) => !/^\w[\w /-]*$/.test(name));
  if (unreadable !== undefined) {
    throw new Error(
      `parameters: ${JSON.stringify(unreadable)}: expected a name of letters, digits, spaces, "/" and "-"`,
    );
  }
  const written = settings.filter(([, value]) => value !== undefined);
  return withoutNul(
    [
      parameters.prompt,
      ...(parameters.negativePrompt ? [`${NEGATIVE_PROMPT} ${parameters.negativePrompt}`] : []),
      written.map(([name, value]) => `${name}: ${quote(String(value))}`).join(', '),
    ].join('\n'),
  );
}

/** Fewest settings in a last line for it to be one: a prompt may well hold one or two colons. */
const FEWEST_SETTINGS = 3;

/** A `parameters` text that begins with the prompt `shown` in place of its own, `prompt`. */
export function replacePrompt(text: string, prompt: string, shown: string): string {
  return withoutNul(shown) + text.slice(withoutNul(prompt).length);
}

/** `Name: value` pairs of a line, or undefined when the line is not made of such pairs alone. */
function parseSettings(line: string): Record<string, string> | undefined {
  const pair = /\s*(\w[\w /-]*):[ \t]*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)/y;
  const settings: [string, string][] = [];
  while (pair.lastIndex < line.length) {
    const found = pair.exec(line);
    if (found === null) return undefined;
    settings.push([found[1].trim(), unquote(found[2].trim())]);
  }
  return settings.length >= FEWEST_SETTINGS ? Object.fromEntries(settings) : undefined;
}

/**
 * Takes a `parameters` text apart, ours or that of AUTOMATIC1111, Forge and others. Text that is all prompt
 * gives no settings.
 */
export function parseParameters(text: string): ParsedParameters {
  const lines = text.trimEnd().split('\n');
  const settings = parseSettings(lines.at(-1)!);
  const rest = settings === undefined ? lines : lines.slice(0, -1);
  const start = rest.findIndex((line) => line.startsWith(NEGATIVE_PROMPT));
  const prompt = start < 0 ? rest : rest.slice(0, start);
  const negative = start < 0 ? '' : rest.slice(start).join('\n').slice(NEGATIVE_PROMPT.length);
  return Object.freeze({
    prompt: prompt.join('\n'),
    negativePrompt: negative.trim(),
    settings: Object.freeze(settings ?? {}),
  });
}

/** What goes into an image file besides its pixels. */
export interface ImageMetadata {
  /** Settings for other programs to show. */
  readonly parameters?: GenerationParameters;
  /** Full record for this program to reproduce the image from; any JSON value. */
  readonly record?: unknown;
}

/** The texts of a PNG file that hold its metadata. */
export function metadataTexts({ parameters, record }: ImageMetadata): PngText[] {
  return [
    ...(parameters === undefined
      ? []
      : [{ keyword: PARAMETERS_KEYWORD, text: formatParameters(parameters) }]),
    ...(record === undefined ? [] : [{ keyword: RECORD_KEYWORD, text: JSON.stringify(record) }]),
  ];
}
