/** Command line options that several commands share, and parsers of their values. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { LARGEST_ADAPTER_SCALE } from '../diffusion/adapter_scale.ts';
import { TEXT_CONTEXTS } from '../diffusion/text_context.ts';
import type { DeviceName } from '../graph/index.ts';
import { makeFolder } from '../weights/make_folder.ts';
import { asUsage, UsageError } from './errors.ts';

/** Devices by the names that `--device` takes. */
export const DEVICE_NAMES: readonly DeviceName[] = ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'];

/** Parser of an integer in least..most, for {@link Option.argParser}. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return function parseInteger(text) {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || value < least || value > most) {
      const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `in ${least}..${most}`;
      throw new InvalidArgumentError(`Expected an integer ${range}.`);
    }
    return value;
  };
}

/** Parser of a finite number in least..most. */
export function numberFrom(least: number, most: number = Number.MAX_VALUE): (text: string) => number {
  return function parseNumber(text) {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most) {
      const range = most === Number.MAX_VALUE ? `of at least ${least}` : `in ${least}..${most}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

/** Parser of an option that may be given several times. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/**
 * Makes the folder that a command writes to.
 * @returns its absolute path
 * @throws UsageError when it cannot be made or written to
 */
export function outputFolder(folder: string): string {
  return asUsage(() => makeFolder(folder));
}

/**
 * Makes the folder that holds the file a command writes.
 * @returns absolute path of the file
 * @throws UsageError when a folder has its name, or its own folder cannot be made or written to
 */
export function outputFile(file: string): string {
  if (existsSync(file) && statSync(file).isDirectory()) {
    throw new UsageError(`${file}: expected the name of a file to write, but a folder is there`);
  }
  outputFolder(path.dirname(file));
  return path.resolve(file);
}

/** `--device`: where graphs run. */
export function deviceOption(): Option {
  return new Option('-d, --device <name>', 'where to compute; auto takes the first that works')
    .choices(DEVICE_NAMES)
    .default('auto');
}

/** `--adapter-scale`: how strongly the adapter counts. */
export function adapterScaleOption(): Option {
  return new Option(
    '--adapter-scale <number>',
    "how strongly the adapter's low-rank updates count: 0 for not at all, 1 as trained (default: 1)",
  ).argParser(numberFrom(-LARGEST_ADAPTER_SCALE, LARGEST_ADAPTER_SCALE));
}

/** `--text-context`: which tokens of a prompt the denoiser sees. */
export function textContextOption(): Option {
  return new Option(
    '--text-context <name>',
    "which tokens of a prompt the U-Net sees: all places, or the prompt's own alone (default: padded)",
  ).choices(TEXT_CONTEXTS);
}

/** `--threads`: how many cores one operator may use. */
export function threadsOption(): Option {
  return new Option('--threads <count>', 'CPU threads (default: all cores)').argParser(integer(1, 1024));
}

/**
 * `--memory`: what the process is to stay within.
 * @param whose names it in the help where it is another
 */
export function memoryOption(whose = ''): Option {
  return new Option(
    '--memory <GiB>',
    `resident memory${whose} to stay within: large graphs give way to each other (default: what is available)`,
  ).argParser(numberFrom(1));
}

/** `--json`: output for programs. */
export function jsonOption(): Option {
  return new Option('--json', 'write progress and results as JSON, one object a line');
}

/** `--set`: overrides of a configuration. */
export function setOption(): Option {
  return new Option(
    '-s, --set <key=value>',
    'override one field of the configuration; nested as outer.inner=value; may be given several times',
  ).argParser(collect);
}

/** `--print-config`: the configuration as it will be used. */
export function printConfigOption(): Option {
  return new Option('--print-config', 'print the whole configuration, defaults included, and stop');
}
