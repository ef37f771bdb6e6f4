/** Golden numbers on disk: cases as safetensors files, with the tolerance of each tensor in one tolerances.json. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataType, TensorData } from '../../graph/index.ts';
import type { SafetensorsFile } from '../../weights/safetensors.ts';
import { openSafetensors, readTensor } from '../../weights/safetensors.ts';

/** A tensor of a case. */
export interface FixtureTensor {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** One case: what a public implementation received and produced. */
export interface Fixture {
  /** Path relative to the fixture folder, for example `vae/sd1-l1/case.safetensors`. */
  readonly name: string;
  /** Expected tensors and how far from them one may be, by name. */
  readonly tolerances: ReadonlyMap<string, number>;
  /** `__metadata__` of the file. */
  readonly metadata: Readonly<Record<string, string>>;
  has(tensor: string): boolean;
  /** @throws Error when the case has no such tensor or its element type is not one of the graph's */
  tensor(name: string): FixtureTensor;
  /** Norms of the gradients of all parameters (`*.grad_norms.json`; null for an unused one), or null without such a file. */
  readonly gradientNorms: Readonly<Record<string, number | null>> | null;
}

/** A folder of fixtures. */
export interface FixtureFolder {
  readonly path: string;
  /** Names of the cases (files with tolerances) below `folder`, in the order of tolerances.json. */
  cases(folder: string): readonly string[];
  /** Opens a case. */
  open(name: string): Fixture;
  /** Whether there is a file of this name below the folder. */
  has(name: string): boolean;
  /** A JSON file below the folder. */
  json(name: string): unknown;
}

const DTYPES: Readonly<Record<string, DataType>> = Object.freeze({
  F64: 'float64',
  F32: 'float32',
  I64: 'int64',
  I32: 'int32',
});

/**
 * Opens a folder of golden numbers.
 * @param path folder with `tolerances.json`: file -> tensor -> { atol }
 * @throws Error when the folder has no tolerances.json
 */
export function openFixtures(path: string): FixtureFolder {
  const json = (name: string) => JSON.parse(readFileSync(join(path, name), 'utf8')) as unknown;
  const tolerances = json('tolerances.json') as Record<string, Record<string, { readonly atol: number }>>;
  return Object.freeze({
    path,
    cases: (folder: string) => Object.keys(tolerances).filter((name) => name.startsWith(`${folder}/`)),
    json,
    has: (name: string) => existsSync(join(path, name)),
    open(name: string): Fixture {
      const file = openSafetensors(join(path, name));
      const norms = name.replace(/\.safetensors$/, '.grad_norms.json');
      return Object.freeze({
        name,
        tolerances: new Map(Object.entries(tolerances[name] ?? {}).map(([key, { atol }]) => [key, atol])),
        metadata: file.metadata,
        has: (tensor: string) => file.tensors.has(tensor),
        tensor: (tensor: string) => readFixtureTensor(file, tensor),
        gradientNorms: existsSync(join(path, norms)) ? (json(norms) as Record<string, number | null>) : null,
      });
    },
  });
}

function readFixtureTensor(file: SafetensorsFile, name: string): FixtureTensor {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new Error(`${file.path}: has no tensor ${JSON.stringify(name)}`);
  const dtype = DTYPES[entry.dtype];
  if (dtype === undefined) {
    throw new Error(`${file.path}: ${name}: expected F64, F32, I64 or I32, received ${entry.dtype}`);
  }
  return { dtype, shape: entry.shape, data: readTensor(file, name) as TensorData };
}
