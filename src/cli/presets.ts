/** Configurations that ship with the program, by name. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { closestName } from '../fairness/closest_name.ts';
import { UsageError } from './errors.ts';
import { packagePath } from './package.ts';

const FOLDER = packagePath('configs/presets');

/** Names of the finetuning runs that ship: the runs of the method on Portraits. */
export function presetNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => path.basename(name, '.yaml'))
    .sort();
}

/**
 * The file that a configuration's name means: a file, or a preset such as `gender`.
 * @throws UsageError when there is neither, with the presets and the closest of them
 */
export function resolveConfigFile(name: string): string {
  // What is spelled as a path is taken for one: reading it says what is wrong with it.
  if (/[/\\]|\.ya?ml$/.test(name) || (existsSync(name) && statSync(name).isFile())) return name;
  const names = presetNames();
  if (names.includes(name)) return path.join(FOLDER, `${name}.yaml`);
  const closest = closestName(name, names);
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new UsageError(
    `configuration: expected a file or one of the presets ${names.join(', ')}, received ${name}${hint}`,
  );
}
