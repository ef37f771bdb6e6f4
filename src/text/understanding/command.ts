/** Structured commands: `/generate 4 doctor --seed 7`. */

import { closestName } from '../closest_name.ts';
import type { OptionRule } from './command_options.ts';
import { COMMAND_RULES } from './command_options.ts';
import type { StructuredCommand } from './types.ts';

/** A structured command that can't be followed; the message names what was expected, what was received and where. */
export class CommandSyntaxError extends Error {
  override readonly name = 'CommandSyntaxError';
  /** Characters of the input that are wrong. */
  readonly start: number;
  readonly end: number;

  constructor(message: string, start: number, end: number) {
    super(message);
    this.start = start;
    this.end = end;
  }
}

/** A command, and the input with spaces for everything but the prompt, so that places in it stay what they are. */
export interface ParsedCommand {
  readonly command: StructuredCommand;
  readonly promptInPlace: string;
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly quoted: boolean;
}

/** Whether a text is a structured command: a slash and a letter begin it. */
export function isCommand(input: string): boolean {
  return /^\s*\/[a-z]/i.test(input);
}

/**
 * Reads `/name [count] prompt [--option value | --option=value | --flag] ...`; quotes keep spaces and dashes together.
 * @throws CommandSyntaxError for unknown commands and options (with the closest known one), missing or wrong values, and
 * a missing prompt
 */
export function parseCommand(input: string): ParsedCommand {
  const [first, ...rest] = splitPieces(input);
  const name = first!.text.slice(1).toLowerCase();
  const rule = COMMAND_RULES[name];
  if (rule === undefined)
    fail(
      `expected a command out of ${list('/', COMMAND_RULES)}`,
      first!,
      '/',
      name,
      Object.keys(COMMAND_RULES),
    );
  const options: Record<string, string | number | boolean> = {};
  const words: Piece[] = [];
  for (let i = 0; i < rest.length; i++) {
    const piece = rest[i]!;
    if (piece.quoted || !/^--[a-z]/i.test(piece.text)) {
      words.push(piece);
      continue;
    }
    const [key, inline] = splitAtEquals(piece.text.slice(2));
    const option = rule.options[key];
    if (option === undefined) {
      fail(
        `/${name}: expected an option out of ${list('--', rule.options)}`,
        piece,
        '--',
        key,
        Object.keys(rule.options),
      );
    }
    if (option.kind === 'flag') {
      if (inline !== null) throw wrongValue(key, 'no value', inline, piece);
      options[camelCase(key)] = true;
      continue;
    }
    const value = inline === null ? rest[++i] : { ...piece, text: inline, quoted: true };
    if (value === undefined || (!value.quoted && value.text.startsWith('--'))) {
      throw wrongValue(key, expectation(option), value === undefined ? 'nothing' : value.text, piece);
    }
    options[camelCase(key)] = readValue(key, option, value);
  }
  const counted = rule.counts && words.length > 1 && !words[0]!.quoted && /^\d+$/.test(words[0]!.text);
  if (counted && Number(words[0]!.text) < 1)
    throw wrongValue('count', 'at least 1 image', words[0]!.text, words[0]!);
  const spoken = counted ? words.slice(1) : words;
  if (rule.needsPrompt && spoken.length === 0) {
    throw new CommandSyntaxError(`/${name}: expected a prompt, received none`, first!.end, input.length);
  }
  const command = Object.freeze({
    name,
    count: counted ? Number(words[0]!.text) : ((options.numImages as number | undefined) ?? null),
    prompt: spoken.map(({ text }) => text).join(' '),
    options: Object.freeze(options),
  });
  return Object.freeze({ command, promptInPlace: blankAround(input, spoken) });
}

function splitPieces(input: string): readonly Piece[] {
  return [...input.matchAll(/"([^"]*)"|“([^”]*)”|\S+/g)].map((match) => {
    const inside = match[1] ?? match[2];
    const start = match.index + (inside === undefined ? 0 : 1);
    const text = inside ?? match[0];
    return { start, end: start + text.length, text, quoted: inside !== undefined };
  });
}

function blankAround(input: string, pieces: readonly Piece[]): string {
  return [
    ...pieces.map(({ start, end }) => [start, end] as const),
    [input.length, input.length] as const,
  ].reduce((text, [start, end]) => text + ' '.repeat(start - text.length) + input.slice(start, end), '');
}

function splitAtEquals(text: string): readonly [key: string, value: string | null] {
  const at = text.indexOf('=');
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function readValue(key: string, option: OptionRule, piece: Piece): string | number {
  const { text } = piece;
  if (option.kind === 'text') {
    if (option.choices === undefined || option.choices.includes(text)) return text;
    throw wrongValue(key, expectation(option), `${text}${suggestion('', text, option.choices)}`, piece);
  }
  const value = Number(text);
  const valid =
    text.trim() !== '' && Number.isFinite(value) && (option.kind === 'number' || Number.isSafeInteger(value));
  if (!valid || value < (option.least ?? Number.NEGATIVE_INFINITY))
    throw wrongValue(key, expectation(option), text, piece);
  return value;
}

function expectation({ kind, least, choices }: OptionRule): string {
  if (choices !== undefined) return choices.join(', ');
  if (kind === 'text') return 'a value';
  return `${kind === 'integer' ? 'an integer' : 'a number'}${least === undefined ? '' : ` of at least ${least}`}`;
}

function wrongValue(
  key: string,
  expected: string,
  received: string,
  { start, end }: Piece,
): CommandSyntaxError {
  const name = key === 'count' ? key : `--${key}`;
  return new CommandSyntaxError(`${name}: expected ${expected}, received ${received}`, start, end);
}

function fail(
  message: string,
  { start, end }: Piece,
  prefix: string,
  received: string,
  known: readonly string[],
): never {
  const hint = suggestion(prefix, received, known);
  throw new CommandSyntaxError(`${message}, received ${prefix}${received}${hint}`, start, end);
}

function suggestion(prefix: string, received: string, known: readonly string[]): string {
  const closest = closestName(received, known);
  return closest === undefined ? '' : `; did you mean ${prefix}${closest}?`;
}

function list(prefix: string, names: Readonly<Record<string, unknown>>): string {
  return Object.keys(names)
    .map((name) => prefix + name)
    .join(', ');
}

function camelCase(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
