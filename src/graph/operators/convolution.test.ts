import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../runtime/runtime.ts';
import { convolutionCases } from '../testing/cases/convolution.ts';
import { checkCase } from '../testing/finite_differences.ts';
import { input } from '../value.ts';
import { conv2d } from './convolution.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

test.each(convolutionCases)('$name', async (testCase) => {
  await checkCase(runtime, testCase);
});

test('a kernel larger than the padded image is refused', () => {
  expect(() => conv2d(input('x', [1, 2, 3, 3]), input('w', [1, 2, 4, 4]), null)).toThrow(
    /conv2d: expected a kernel no larger than the padded image \(inputs: float32\[1,2,3,3\]/,
  );
});

test('channels that do not fit the kernel are refused', () => {
  expect(() => conv2d(input('x', [1, 3, 3, 3]), input('w', [4, 2, 1, 1]), null, { groups: 2 })).toThrow(
    /expected 4 input channels for 2 groups/,
  );
});
