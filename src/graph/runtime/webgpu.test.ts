import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { softwareWebgpu } from '../../../test/webgpu_environment.ts';
import { OPERATOR_CASES } from '../testing/cases/index.ts';
import type { OperatorCase } from '../testing/finite_differences.ts';
import { compareCases } from '../testing/finite_differences.ts';
import { Runtime } from './runtime.ts';

/** Cases that run as one graph: making a session is the slow part. */
const CASES_AT_ONCE = 40;

const CHUNKS: readonly [name: string, cases: readonly OperatorCase[]][] = Object.entries(
  OPERATOR_CASES,
).flatMap(([family, cases]) =>
  Array.from({ length: Math.ceil(cases.length / CASES_AT_ONCE) }, (_, i): [string, OperatorCase[]] => [
    `${family} ${i + 1}`,
    cases.slice(i * CASES_AT_ONCE, (i + 1) * CASES_AT_ONCE),
  ]),
);

describe('on WebGPU every operator and gradient agrees with the processor', () => {
  const [webgpu, cpu] = [new Runtime({ device: 'webgpu' }), new Runtime({ threads: 1 })];
  beforeAll(() => {
    expect(softwareWebgpu, 'a software WebGPU device: run scripts/setup_system.sh as root').toBeTruthy();
  });
  afterAll(() => Promise.all([webgpu.close(), cpu.close()]));

  test.each(CHUNKS)('%s', { timeout: 600_000 }, async (_name, cases) => {
    await compareCases(webgpu, cpu, cases);
  });
});
