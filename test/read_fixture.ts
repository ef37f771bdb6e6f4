/** Reads the golden numbers in `test/fixtures` for the tests: JSON files, safetensors and their tolerances. */
import { readFileSync } from 'node:fs';

const root = new URL('./fixtures/', import.meta.url);

/** One tensor of a fixture; I64 values are given as float64, everything else keeps its type. */
export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** The JSON fixture at `path`, relative to `test/fixtures`. */
// biome-ignore lint/suspicious/noExplicitAny: the fixtures' shapes are known only to the tests that read them
export function readFixtureJson(path: string): any {
  return JSON.parse(readFileSync(new URL(path, root), 'utf8'));
}

/** All tensors of the safetensors fixture at `path`, by name (types F32, F64 and I64). */
export function readFixtureTensors(path: string): Record<string, FixtureTensor> {
  const bytes = readFileSync(new URL(path, root));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));
  const tensors: Record<string, FixtureTensor> = {};
  for (const [name, entry] of Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(
    header,
  )) {
    if (name === '__metadata__') continue;
    const start = bytes.byteOffset + 8 + headerLength;
    const raw = bytes.buffer.slice(start + entry.data_offsets[0]!, start + entry.data_offsets[1]!);
    tensors[name] = { shape: entry.shape, data: decode(entry.dtype, raw, `${path}: ${name}`) };
  }
  return tensors;
}

function decode(dtype: string, raw: ArrayBufferLike, where: string): Float32Array | Float64Array {
  if (dtype === 'F32') return new Float32Array(raw);
  if (dtype === 'F64') return new Float64Array(raw);
  if (dtype === 'I64') return Float64Array.from(new BigInt64Array(raw), Number);
  throw new Error(`${where}: expected F32, F64 or I64, received ${dtype}`);
}

/** The absolute tolerance that `tolerances.json` gives for one tensor of one file. */
export function fixtureTolerance(path: string, tensor: string): number {
  const atol = readFixtureJson('tolerances.json')[path]?.[tensor]?.atol;
  if (typeof atol !== 'number') throw new Error(`tolerances.json has no atol for ${path}: ${tensor}`);
  return atol;
}

/** The largest |received - expected|; NaN anywhere gives Infinity, as does a difference in length. */
export function maxDifference(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (received.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(received[i]! - expected[i]!);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}
