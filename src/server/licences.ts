/** Licences of models, as their own folders tell them: model cards, configurations, licence files. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { openSafetensors } from '../weights/safetensors.ts';

/** What is known of one licence. */
export interface Licence {
  /** Component or judge that it is about; null for the model as a whole. */
  readonly part: string | null;
  /** Its SPDX identifier or name; null where nothing says. */
  readonly name: string | null;
  /** Where that stands: a file in the model's folder, or an address that it gives. */
  readonly source: string | null;
}

type Found = Pick<Licence, 'name' | 'source'>;

/** Most bytes of a file that are read for a licence. */
const MOST_BYTES = 1 << 20;
const CARDS = ['README.md', 'model.yaml', 'card.yaml'];
const CONFIGURATIONS = ['model_index.json', 'config.json'];
const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.(txt|md))?$/i;
/** Titles of licence texts, by the names that they are known under. */
const TITLES: readonly (readonly [RegExp, string])[] = Object.freeze([
  [/Apache License[\s,]*Version 2\.0/i, 'Apache-2.0'],
  [/CreativeML Open RAIL\+\+-M/i, 'openrail++'],
  [/CreativeML Open ?RAIL-?M/i, 'creativeml-openrail-m'],
  [/GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3/i, 'AGPL-3.0'],
  [/GNU GENERAL PUBLIC LICENSE\s+Version 3/i, 'GPL-3.0'],
  [/MIT License|Permission is hereby granted, free of charge/i, 'MIT'],
  [/Stability AI Community License/i, 'Stability AI Community'],
]);

/**
 * Licences of a model: first its own, then those of the parts whose folders name one.
 * @param model folder, or a single file, whose header may hold `modelspec.license`
 */
export function licencesOf(model: string): readonly Licence[] {
  if (!statSync(model).isDirectory()) return [{ part: null, ...licenceOfFile(model) }];
  const parts = readdirSync(model, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(({ name }) => {
      const found = licenceOfFolder(path.join(model, name));
      return found === null ? [] : [{ part: name, ...found, source: at(name, found.source) }];
    });
  return [{ part: null, ...(licenceOfFolder(model) ?? { name: null, source: null }) }, ...parts];
}

/** Files are named from the model's folder on; addresses stay. */
function at(part: string, source: string | null): string | null {
  return source === null || source.includes('://') ? source : `${part}/${source}`;
}

function licenceOfFile(file: string): Found {
  const name = /\.safetensors$/i.test(file) ? openSafetensors(file).metadata['modelspec.license'] : undefined;
  if (name !== undefined) return { name, source: path.basename(file) };
  return { name: null, source: null };
}

function licenceOfFolder(folder: string): Found | null {
  for (const card of CARDS) {
    const found = licenceOfCard(card, read(folder, card));
    if (found !== null) return found;
  }
  for (const configuration of CONFIGURATIONS) {
    const found = asLicence(
      fieldsOf(() => JSON.parse(read(folder, configuration) || 'null')),
      configuration,
    );
    if (found !== null) return found;
  }
  for (const file of readdirSync(folder).filter((name) => LICENCE_FILE.test(name))) {
    const text = read(folder, file);
    const name = TITLES.find(([title]) => title.test(text))?.[1];
    if (name !== undefined) return { name, source: file };
  }
  return null;
}

/** A card's licence: in its fields (front matter of a README as Hugging Face reads it), or in a sentence `Licence: NAME`. */
function licenceOfCard(card: string, text: string): Found | null {
  if (/\.ya?ml$/.test(card))
    return asLicence(
      fieldsOf(() => parse(text)),
      card,
    );
  const [whole = '', front = ''] = /^---\r?\n(.*?)\r?\n---/s.exec(text) ?? [];
  const inFront = asLicence(
    fieldsOf(() => parse(front)),
    card,
  );
  if (inFront !== null) return inFront;
  const [, name] = /\bLicen[cs]e:\s*\**([A-Za-z][\w.+-]*\w)/i.exec(text.slice(whole.length)) ?? [];
  return name === undefined ? null : { name, source: card };
}

function asLicence(fields: Readonly<Record<string, unknown>>, file: string): Found | null {
  const said = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string).trim() : '');
  // `other` stands for the one that license_name names.
  const plain = [said('license'), said('licence')].find((name) => name !== '' && name !== 'other') ?? '';
  const name = said('license_name') || plain;
  if (name === '') return null;
  return { name, source: said('license_link') || file };
}

function fieldsOf(parseText: () => unknown): Readonly<Record<string, unknown>> {
  try {
    const value = parseText();
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function read(folder: string, name: string): string {
  const file = path.join(folder, name);
  return existsSync(file) && statSync(file).size <= MOST_BYTES ? readFileSync(file, 'utf8') : '';
}
