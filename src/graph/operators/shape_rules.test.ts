import { expect, test } from 'vitest';
import type { Value } from '../value.ts';
import { constant, input, scope } from '../value.ts';
import * as operators from './index.ts';

const x = (...shape: number[]) => input('x', shape);
const ids = (...shape: number[]) => input('ids', shape, 'int64');

const REFUSED: readonly [name: string, build: () => Value | Value[], message: RegExp][] = [
  [
    'add of shapes that do not broadcast',
    () => operators.add(x(2, 3), x(2)),
    /add: expected shapes that broadcast/,
  ],
  [
    'add of two types',
    () => operators.add(x(2), ids(2)),
    /add: expected equal types, received float32 and int64/,
  ],
  ['matmul of vectors', () => operators.matmul(x(3), x(3, 2)), /matmul: expected two values of rank 2/],
  [
    'matmul of unequal inner sizes',
    () => operators.matmul(x(2, 3), x(4, 2)),
    /matmul: .*equal inner dimensions/,
  ],
  ['gemm of vectors', () => operators.gemm(x(3), x(3, 2)), /gemm: expected a matrix, received rank 1/],
  [
    'gemm of unequal inner sizes',
    () => operators.gemm(x(2, 3), x(3, 2), { transposeB: true }),
    /gemm: expected equal inner dimensions/,
  ],
  [
    'gemm with a bias of another length',
    () => operators.gemm(x(2, 3), x(3, 2), { bias: x(3) }),
    /gemm: expected a bias \[2\], received \[3\]/,
  ],
  [
    'conv2d with too large a kernel',
    () => operators.conv2d(x(1, 2, 3, 3), x(1, 2, 4, 4), null),
    /conv2d: expected a kernel no larger than the padded image \(inputs: float32\[1,2,3,3\]/,
  ],
  [
    'conv2d with wrong channels',
    () => operators.conv2d(x(1, 3, 3, 3), x(4, 2, 1, 1), null, { groups: 2 }),
    /conv2d: expected 4 input channels for 2 groups/,
  ],
  [
    'convTranspose2d with wrong channels',
    () => operators.convTranspose2d(x(1, 3, 3, 3), x(2, 3, 1, 1), null),
    /convTranspose2d: expected x/,
  ],
  [
    'reshape to another size',
    () => operators.reshape(x(2, 3), [4]),
    /reshape: expected a shape of 6 elements, received \[4\]/,
  ],
  [
    'transpose by no permutation',
    () => operators.transpose(x(2, 3), [0, 0]),
    /transpose: expected a permutation of 2 axes/,
  ],
  [
    'expand that would shrink',
    () => operators.expand(x(3, 2), [3, 1]),
    /expand: expected a shape that \[3,2\] broadcasts to/,
  ],
  [
    'slice with step 0',
    () => operators.slice(x(3), { axis: 0, step: 0 }),
    /slice: expected a step other than 0/,
  ],
  [
    'slice of an axis that is not there',
    () => operators.slice(x(3), { axis: 1 }),
    /axis: expected an integer in -1..0, received 1/,
  ],
  ['negative padding', () => operators.pad(x(3), [-1], [0]), /pad: expected amounts of at least 0/],
  ['concat of nothing', () => operators.concat([], 0), /concat: expected at least one value/],
  [
    'concat of unlike shapes',
    () => operators.concat([x(2, 3), x(2, 2)], 0),
    /concat: expected inputs that agree but for axis 0/,
  ],
  [
    'split that does not add up',
    () => operators.split(x(5), 0, [2, 2]),
    /split: expected sizes that add up to 5/,
  ],
  [
    'gather by floats',
    () => operators.gather(x(3), x(2)),
    /gather: expected integer indices, received float32/,
  ],
  [
    'scatterAdd of unequal lengths',
    () => operators.scatterAdd(x(3, 2), ids(2), 4),
    /scatterAdd: expected one index for each row/,
  ],
  [
    'where without a bool',
    () => operators.where(x(2), x(2), x(2)),
    /where: expected a bool condition, received float32/,
  ],
  ['exp of integers', () => operators.exp(ids(2)), /exp: expected a floating-point value, received int64/],
  [
    'groupNorm with groups that do not divide',
    () => operators.groupNorm(x(1, 3, 2), 2, x(3), x(3), 1e-5),
    /groupNorm: .*divisible by 2 groups/,
  ],
  [
    'layerNorm with a wrong weight',
    () => operators.layerNorm(x(2, 3), x(2), x(3), 1e-5),
    /layerNorm: expected weight and bias \[3\]/,
  ],
  [
    'attention with unequal sizes',
    () => operators.attention(x(1, 1, 2, 3), x(1, 1, 2, 4), x(1, 1, 2, 3)),
    /attention: expected q and k of equal size/,
  ],
  [
    'attention with a bias that does not fit',
    () => operators.attention(x(1, 1, 2, 3), x(1, 1, 4, 3), x(1, 1, 4, 3), { bias: x(2, 3) }),
    /attention: expected/,
  ],
  [
    'a constant of the wrong length',
    () => constant([1, 2], [3]),
    /constant: expected 3 elements for \[3\], received 2/,
  ],
];

test.each(REFUSED)('%s is refused', (_name, build, message) => {
  expect(build).toThrow(message);
});

test('messages name the scope in which the node was made', () => {
  const build = () => scope('unet', () => scope('mid', () => operators.add(x(2), x(3))));
  expect(build).toThrow(/^add in unet\.mid: /);
});
