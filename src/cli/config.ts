/** Configuration files of the commands: YAML or JSON, overrides, and errors that point at the offending line. */

import { readFileSync } from 'node:fs';
import type { Document, Node } from 'yaml';
import { isAlias, isMap, isScalar, LineCounter, parse, parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { closestName } from '../fairness/closest_name.ts';
import { UsageError } from './errors.ts';

/** Where the values of a configuration come from. */
export interface ConfigSource {
  /** YAML or JSON file; without one, the configuration starts empty. */
  readonly file?: string;
  /** Overrides `key=value` or `outer.inner=value`, the value written as in YAML; later ones win. */
  readonly overrides?: readonly string[];
}

type Path = readonly PropertyKey[];

interface ParsedConfig {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly file: string | undefined;
  /** Paths set by an override, joined by dots. */
  readonly overridden: ReadonlySet<string>;
}

/**
 * Reads, overrides and checks a configuration.
 * @param schema strict schema; defaults fill what is left out
 * @throws UsageError with one line a fault: file, line, key, what was expected and received; unknown keys with a
 * suggestion
 */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, source: ConfigSource): z.output<Schema> {
  const parsed = parseSource(source);
  const value: unknown = parsed.document.toJS() ?? {};
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap((issue) => describeIssue(schema, parsed, issue));
  throw new UsageError(faults.join('\n'));
}

/** A checked configuration as YAML, as `--print-config` shows it. */
export function formatConfig(config: unknown): string {
  return stringify(config, { lineWidth: 110 });
}

/**
 * A checked configuration as `--print-config` shows it: {@link formatConfig}, and in comments the fields that it leaves out, as
 * they have no default.
 */
export function explainConfig(schema: z.ZodType, config: unknown): string {
  const left = fieldsLeftOut(schema, config, '').map((field) => `#   ${field}\n`);
  const heading = '# Left out, without a default:\n';
  return `${formatConfig(config)}${left.length === 0 ? '' : heading}${left.join('')}`;
}

function fieldsLeftOut(schema: z.ZodType, value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const given = value as Readonly<Record<string, unknown>>;
  const meant = alternatives(schema).find(
    (candidate) => candidate instanceof z.ZodObject && isMeant(candidate, (key) => given[key]),
  );
  return Object.entries((meant as z.ZodObject | undefined)?.shape ?? {}).flatMap(([key, field]) => {
    if (given[key] !== undefined) return fieldsLeftOut(field as z.ZodType, given[key], `${path}${key}.`);
    const inner = alternatives(field as z.ZodType).flatMap((each) =>
      each instanceof z.ZodObject ? Object.keys(each.shape) : [],
    );
    return [`${path}${key}${inner.length === 0 ? '' : `: { ${inner.join(', ')} }`}`];
  });
}

/** Reads only the field `key` of a configuration's top level, unchecked; `undefined` where there is none. */
export function peekConfig(source: ConfigSource, key: string): unknown {
  const value: unknown = parseSource(source).document.toJS();
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function parseSource({ file, overrides = [] }: ConfigSource): ParsedConfig {
  const lines = new LineCounter();
  const document = parseDocument(file === undefined ? '{}' : readConfig(file), {
    lineCounter: lines,
    prettyErrors: false,
  });
  const error = document.errors[0];
  if (error) throw new UsageError(`${place(file, lines, error.pos[0])}${error.message}`);
  if (document.contents !== null && !isMap(document.contents)) {
    throw new UsageError(`${file}: expected keys and values, received ${JSON.stringify(document.toJS())}`);
  }
  const overridden = new Set<string>();
  for (const override of overrides) overridden.add(applyOverride(document, override));
  return { document, lines, file, overridden };
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: cannot read the configuration: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Applies `key=value` to the document; returns the key. */
function applyOverride(document: Document, override: string): string {
  const equals = override.indexOf('=');
  const key = override.slice(0, equals).trim();
  if (equals < 1 || key === '' || key.split('.').includes('')) {
    throw new UsageError(`--set ${override}: expected key=value or outer.inner=value`);
  }
  let value: unknown;
  try {
    value = parse(override.slice(equals + 1));
  } catch (error) {
    throw new UsageError(`--set ${override}: the value is not YAML: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    document.setIn(key.split('.'), value);
  } catch (error) {
    throw new UsageError(`--set ${override}: ${key} lies below a value that has no keys`, { cause: error });
  }
  return key;
}

/** `file:line: ` of an offset, as compilers print it; empty without a file. */
function place(file: string | undefined, lines: LineCounter, offset: number | undefined): string {
  if (file === undefined) return '';
  return offset === undefined ? `${file}: ` : `${file}:${lines.linePos(offset).line}: `;
}

function describeIssue(schema: z.ZodType, parsed: ParsedConfig, issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_union') {
    const inner = unionIssues(issue).map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
    return inner.flatMap((each) => describeIssue(schema, parsed, each as z.core.$ZodIssue));
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const known = knownKeys(schema, issue.path, parsed.document);
      const closest = closestName(key, known);
      const advice =
        closest === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${closest}?`;
      return `${placeOf(parsed, [...issue.path, key], true)}unknown key ${key}; ${advice}`;
    });
  }
  const name = issue.path.map(String).join('.') || 'configuration';
  const input = issue.code === 'custom' ? parsed.document.getIn(issue.path) : issue.input;
  const missing = input === undefined && issue.code !== 'custom';
  const received = input === undefined ? '' : `, received ${inWords(input)}`;
  const expected = issue.code === 'custom' ? issue.message : expectation(issue);
  const where = placeOf(parsed, issue.path, !missing);
  const subject = where === `--set ${name}: ` ? where : `${where}${name}: `;
  return [`${subject}${missing ? 'missing; ' : ''}${expected}${received}`];
}

/** The faults of the alternative that was most likely meant: the one that was followed furthest before it failed. */
function unionIssues(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] {
  const { discriminator, options = [] } = issue as {
    discriminator?: string;
    options?: z.core.util.Primitive[];
  };
  if (issue.errors.length === 0 && discriminator !== undefined) {
    const input = (issue.input as Readonly<Record<string, unknown>>)[discriminator];
    // The path of the issue names the discriminator already.
    return [{ code: 'invalid_value', values: options, path: [], input, message: issue.message }];
  }
  const depth = (alternative: readonly z.core.$ZodIssue[]) => alternative[0]?.path.length ?? 0;
  return issue.errors.reduce((best, next) => (depth(next) > depth(best) ? next : best));
}

/** A value as it is written; also numbers that JSON does not have. */
function inWords(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** What zod expected, in the words of this project's other errors. */
function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'tuple') return 'expected a list';
      return `expected ${issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'too_small':
      return `expected ${issue.origin} ${issue.inclusive ? 'at least' : 'greater than'} ${issue.minimum}`;
    case 'too_big':
      return `expected ${issue.origin} ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

/** Where in its file (or override) a path was set; a path that isn't there is placed at its nearest ancestor. */
function placeOf({ document, lines, file, overridden }: ParsedConfig, path: Path, atKey: boolean): string {
  const override = [...overridden].find((key) => {
    const dotted = path.map(String).join('.');
    return dotted === key || dotted.startsWith(`${key}.`);
  });
  if (override !== undefined) return `--set ${override}: `;
  for (let length = path.length; length > 0; length--) {
    const offset = offsetOf(document, path.slice(0, length));
    if (offset !== undefined && (atKey || length < path.length)) return place(file, lines, offset);
  }
  return place(file, lines, undefined);
}

/** Offset of the key at `path`, or of the item for a list. */
function offsetOf(document: Document, path: Path): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const key = path[path.length - 1]!;
  const resolved = isAlias(parent) ? parent.resolve(document) : parent;
  if (isMap(resolved)) {
    const pair = resolved.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
    return (pair?.key as Node | undefined)?.range?.[0];
  }
  const node = document.getIn(path, true) as Node | undefined;
  return node?.range?.[0];
}

/** Keys that the object schema at `path` knows; of every alternative that the document may mean where there are several. */
function knownKeys(schema: z.ZodType, path: Path, document: Document): string[] {
  let candidates = alternatives(schema);
  for (const key of path) {
    candidates = candidates.flatMap((candidate) => {
      if (candidate instanceof z.ZodObject) {
        const field = candidate.shape[String(key)] as z.ZodType | undefined;
        return field === undefined ? [] : alternatives(field);
      }
      if (candidate instanceof z.ZodArray) return alternatives(candidate.element as z.ZodType);
      if (candidate instanceof z.ZodRecord) return alternatives(candidate.valueType as z.ZodType);
      return [];
    });
  }
  const keys = candidates.flatMap((candidate) =>
    candidate instanceof z.ZodObject && isMeant(candidate, (key) => document.getIn([...path, key]))
      ? Object.keys(candidate.shape)
      : [],
  );
  return [...new Set(keys)];
}

/** Whether the values that are given are those by which an alternative is chosen. */
function isMeant(candidate: z.ZodObject, givenAt: (key: string) => unknown): boolean {
  return Object.entries(candidate.shape).every(([key, field]) => {
    const given = givenAt(key);
    return !(field instanceof z.ZodLiteral) || given === undefined || field.values.has(given as string);
  });
}

/** The schemas that may apply where `schema` stands, without optional and default around them. */
function alternatives(schema: z.ZodType): z.ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) {
    return alternatives(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodPipe) return alternatives(schema.in as z.ZodType);
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((option) => alternatives(option as z.ZodType));
  return [schema];
}
