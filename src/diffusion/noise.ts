/** Random numbers addressed by (seed, stream, index): the same on every machine, whatever the batch or the order. */
import { philox4x32 } from './philox.ts';
import { cosineAndSineOfTurn, logOfFraction } from './portable_math.ts';

const TWO_TO_32 = 0x100000000;

/** The address of one endless sequence of random numbers. Two different addresses give independent sequences. */
export interface NoiseAddress {
  /** Any integer; taken modulo 2^64. */
  readonly seed: number | bigint;
  /** Which item: image, iteration, data set row. An integer from 0 to 2^53-1; 0 when left out. */
  readonly index?: number;
  /** What the numbers are for, so that uses don't share numbers ('latents', 'step noise', 'dropout'); '' when left out. */
  readonly stream?: string | number;
}

/** A reader of one sequence, number after number. Its results depend only on its address and on what was read before. */
export interface Generator {
  /** The next 32 random bits, an integer in 0..2^32-1. */
  bits(): number;
  /** The next uniform number in [0, 1), with 53 random bits (two words). */
  uniform(): number;
  /** The next integer in 0..below-1, without bias; throws unless below is an integer in 1..2^32. */
  integer(below: number): number;
  /** The next standard normal number, in float64 (two words). */
  normal(): number;
}

/** Counter and key of Philox for an address: the key is the seed, the counter holds block, index and stream. */
function locate(address: NoiseAddress): { counter: Uint32Array; key: Uint32Array } {
  const { seed, index = 0, stream = '' } = address;
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new Error(`seed: expected an integer (a bigint beyond 2^53), received ${seed}`);
  }
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new Error(`index: expected an integer from 0 to 2^53-1, received ${index}`);
  }
  const bits = BigInt.asUintN(64, BigInt(seed));
  const key = Uint32Array.of(Number(bits & 0xffffffffn), Number(bits >> 32n));
  const counter = Uint32Array.of(
    0,
    index % TWO_TO_32,
    Math.floor(index / TWO_TO_32),
    hashStream(String(stream)),
  );
  return { counter, key };
}

/** FNV-1a over the UTF-8 bytes of a stream's name. */
function hashStream(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The first `length` words (32 random bits each) of an address. A longer request begins with the shorter one. */
export function randomBits(address: NoiseAddress, length: number): Uint32Array {
  const { counter, key } = locate(address);
  const blocks = Math.ceil(length / 4);
  const words = new Uint32Array(blocks * 4);
  for (let block = 0; block < blocks; block++) {
    counter[0] = block;
    philox4x32(counter, key, words, block * 4);
  }
  return words.subarray(0, length);
}

/** The first `length` uniform numbers in [0, 1) of an address, 53 random bits each. */
export function uniforms(address: NoiseAddress, length: number): Float64Array {
  const words = randomBits(address, 2 * length);
  return Float64Array.from({ length }, (_, i) => toUniform(words[2 * i]!, words[2 * i + 1]!));
}

function toUniform(high: number, low: number): number {
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 2 ** 53;
}

/**
 * The first `length` standard normal numbers of an address: Box-Muller in float64 on pairs of words, rounded to
 * float32. The noise of an address doesn't depend on the batch it is used in; a longer request begins with the shorter.
 */
export function gaussianNoise(address: NoiseAddress, length: number): Float32Array {
  const words = randomBits(address, length + (length % 2));
  const noise = new Float32Array(length);
  const pair = new Float64Array(2);
  for (let i = 0; i < length; i += 2) {
    normalPair(words[i]!, words[i + 1]!, pair);
    noise[i] = pair[0]!;
    if (i + 1 < length) noise[i + 1] = pair[1]!;
  }
  return noise;
}

/** Box-Muller: r = sqrt(-2 ln u) with u = (radiusWord + 1) / 2^32 in (0, 1], angle = angleWord / 2^32 turns. */
function normalPair(radiusWord: number, angleWord: number, out: Float64Array): void {
  const radius = Math.sqrt(-2 * logOfFraction(radiusWord + 1));
  cosineAndSineOfTurn(angleWord, out);
  out[0]! *= radius;
  out[1]! *= radius;
}

/** A reader of the sequence at an address, for code that can't know beforehand how many numbers it needs. */
export function createGenerator(address: NoiseAddress): Generator {
  const { counter, key } = locate(address);
  const block = new Uint32Array(4);
  const pair = new Float64Array(2);
  let used = 4;
  const bits = () => {
    if (used === 4) {
      philox4x32(counter, key, block);
      counter[0]! += 1;
      used = 0;
    }
    return block[used++]!;
  };
  return {
    bits,
    uniform: () => toUniform(bits(), bits()),
    integer(below) {
      if (!Number.isInteger(below) || below < 1 || below > TWO_TO_32) {
        throw new Error(`below: expected an integer in 1..2^32, received ${below}`);
      }
      const limit = TWO_TO_32 - (TWO_TO_32 % below);
      let word = bits();
      while (word >= limit) word = bits();
      return word % below;
    },
    normal() {
      normalPair(bits(), bits(), pair);
      return pair[0]!;
    },
  };
}

/** One integer in 0..below-1 for an address, without bias; throws unless below is an integer in 1..2^32. */
export function randomInteger(address: NoiseAddress, below: number): number {
  return createGenerator(address).integer(below);
}

/** A random order of 0..length-1 for an address (Fisher-Yates), every order equally likely. */
export function permutation(address: NoiseAddress, length: number): Uint32Array {
  const generator = createGenerator(address);
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = generator.integer(i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
