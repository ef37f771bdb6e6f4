/** The engine's kernels at the sizes of Stable Diffusion 1.5's U-Net at 512x512, forward and forward with backward. */

import type { Value } from '../src/graph/index.ts';
import { attention, conv2d, gradient, groupNorm, input, matmul } from '../src/graph/index.ts';
import type { BenchCase } from './measure.ts';

/** Rows and columns of the square products whose rate counts as the machine's peak, and how many run in a row. */
const PEAK = Object.freeze({ size: 2048, products: 4 });

/** The products that the machine's GEMM rate is taken from; several in one graph, so that feeding it hardly counts. */
export const PEAK_CASE: BenchCase = Object.freeze({
  name: 'machine peak',
  build() {
    const factor = input('b', [PEAK.size, PEAK.size]);
    let product = input('a', [PEAK.size, PEAK.size]);
    for (let i = 0; i < PEAK.products; i++) product = matmul(product, factor);
    return { product };
  },
});

interface Kernel {
  readonly name: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  apply(values: readonly Value[]): Value;
}

const KERNELS: readonly Kernel[] = [
  {
    name: 'convolution 3x3, 320 channels, 64x64',
    inputs: { x: [1, 320, 64, 64], weight: [320, 320, 3, 3], bias: [320] },
    apply: ([x, weight, bias]) => conv2d(x!, weight!, bias!, { padding: 1 }),
  },
  {
    name: 'convolution 1x1, 320 channels, 64x64',
    inputs: { x: [1, 320, 64, 64], weight: [320, 320, 1, 1], bias: [320] },
    apply: ([x, weight, bias]) => conv2d(x!, weight!, bias!),
  },
  {
    name: 'attention, 8 heads, 4096 x 40',
    inputs: { q: [1, 8, 4096, 40], k: [1, 8, 4096, 40], v: [1, 8, 4096, 40] },
    apply: ([q, k, v]) => attention(q!, k!, v!),
  },
  {
    name: 'matrix product 4096 x 1280 x 1280',
    inputs: { a: [4096, 1280], b: [1280, 1280] },
    apply: ([a, b]) => matmul(a!, b!),
  },
  {
    name: 'group norm, 320 channels, 64x64',
    inputs: { x: [2, 320, 64, 64], weight: [320], bias: [320] },
    apply: ([x, weight, bias]) => groupNorm(x!, 32, weight!, bias!, 1e-5),
  },
];

/** Every kernel, forward and with its gradient by all of its inputs. */
export const KERNEL_CASES: readonly BenchCase[] = Object.freeze(
  KERNELS.flatMap(({ name, inputs, apply }): BenchCase[] => {
    const values = () => Object.entries(inputs).map(([key, shape]) => input(key, shape));
    return [
      { name: `${name}: forward`, build: () => ({ output: apply(values()) }) },
      {
        name: `${name}: forward and backward`,
        build() {
          const leaves = values();
          const output = apply(leaves);
          const gradients = gradient([output], [input('cotangent', output.shape)], leaves);
          return { output, ...Object.fromEntries(gradients.map((value, i) => [`gradient ${i}`, value])) };
        },
      },
    ];
  }),
);
