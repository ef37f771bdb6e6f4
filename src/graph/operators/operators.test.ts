import { afterAll, describe, expect, test } from 'vitest';
import { definedOperators } from '../operator.ts';
import { Runtime } from '../runtime/runtime.ts';
import { OPERATOR_CASES } from '../testing/cases/index.ts';
import { buildCase, checkCase } from '../testing/finite_differences.ts';
import type { GraphNode } from '../value.ts';
import { topologicalOrder } from '../value.ts';
import './index.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

describe.each(Object.entries(OPERATOR_CASES))('%s', (_family, cases) => {
  test.each(cases)('$name', async (testCase) => {
    await checkCase(runtime, testCase);
  });
});

test('every operator with a gradient rule has a case that differentiates it, every other one a case', () => {
  const used = new Set<string>();
  const differentiated = new Set<string>();
  for (const testCase of Object.values(OPERATOR_CASES).flat()) {
    const { outputs, inputs } = buildCase(testCase);
    const active = new Set<GraphNode>(inputs.map((value) => value.node));
    for (const node of topologicalOrder(outputs)) {
      used.add(node.operator.name);
      if (!node.inputs.some((value) => value && active.has(value.node))) continue;
      active.add(node);
      differentiated.add(node.operator.name);
    }
  }
  const missing = definedOperators()
    .filter(({ name, gradient }) => !(typeof gradient === 'function' ? differentiated : used).has(name))
    .map(({ name }) => name);
  expect(missing).toEqual([]);
  expect(definedOperators().length).toBeGreaterThan(40);
});

test('no two operators share a name', () => {
  const names = definedOperators().map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});
