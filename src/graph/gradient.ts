/** Reverse-mode differentiation from graph to graph: gradients are built as new graph values, once, ahead of time. */

import { add } from './operators/arithmetic.ts';
import { zeros } from './operators/indexing.ts';
import { after } from './operators/order.ts';
import { describeType, elementCount, isFloating, sameShape } from './types.ts';
import type { GraphNode, Value } from './value.ts';
import { topologicalOrder } from './value.ts';

/**
 * Vector-Jacobian product: for each of `inputs`, sum over outputs of cotangent^T * d output / d input.
 *
 * Visits each node between `inputs` and `outputs` once, in reverse order, and nothing outside that part of the
 * graph. A value that is used twice receives the sum of what flows back from both uses.
 * @param outputs floating-point values
 * @param cotangents one for each output, of the output's shape
 * @param inputs values to differentiate by: leaves or intermediate values
 * @returns one value for each input, of the input's shape; zeros where the outputs do not depend on it
 * @throws Error naming operator and node when an operator on the way has no gradient rule
 */
export function gradient(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  inputs: readonly Value[],
): Value[] {
  outputs.forEach((output, i) => {
    const cotangent = cotangents[i];
    if (!cotangent || !sameShape(output.shape, cotangent.shape)) {
      const received = cotangent ? describeType(cotangent) : 'none';
      throw new Error(
        `gradient: expected a cotangent ${describeType(output)} for output ${i}, received ${received}`,
      );
    }
  });
  const wanted = new Set(inputs);
  const order = topologicalOrder(outputs);
  const active = activeNodes(order, wanted);
  const flowing = new Map<Value, Value[]>();
  const send = (value: Value, cotangent: Value) => {
    const list = flowing.get(value);
    if (list) list.push(cotangent);
    else flowing.set(value, [cotangent]);
  };
  const collect = (value: Value): Value | undefined => {
    const list = flowing.get(value);
    if (!list) return undefined;
    const total = list.reduce((sum, next) => add(sum, next));
    flowing.set(value, [total]);
    return total;
  };
  outputs.forEach((output, i) => {
    send(output, cotangents[i]!);
  });

  for (let position = order.length - 1; position >= 0; position--) {
    const node = order[position]!;
    if (!active.has(node)) continue;
    const received = node.outputs.map(collect);
    if (received.every((cotangent) => cotangent === undefined)) continue;
    const needs = node.inputs.map(
      (value) => value !== null && isFloating(value.dtype) && (wanted.has(value) || active.has(value.node)),
    );
    if (!needs.includes(true)) continue;
    sendBack(node, received, needs, (parts) => {
      for (const [value, part] of isLarge(received) ? resultsFirst(parts, wanted, active) : parts)
        send(value, part);
    });
  }
  return inputs.map((value) => collect(value) ?? zeros(value.shape, value.dtype));
}

/** Cotangents of so many elements are not kept waiting in memory for the products that are taken of them. */
const LARGE_COTANGENT = 2 ** 20;

function isLarge(cotangents: readonly (Value | undefined)[]): boolean {
  return cotangents.some((value) => value && elementCount(value.shape) >= LARGE_COTANGENT);
}

/** Lets what flows on wait for the results that a node yields: their factors are there now, and need not be kept for them. */
function resultsFirst(
  parts: readonly (readonly [Value, Value])[],
  wanted: ReadonlySet<Value>,
  active: ReadonlySet<GraphNode>,
): (readonly [Value, Value])[] {
  const isResult = (value: Value) => wanted.has(value) && !active.has(value.node);
  const results = parts.filter(([value]) => isResult(value)).map(([, part]) => part);
  return parts.map(([value, part]) => [value, isResult(value) ? part : after(part, results)]);
}

/** Nodes whose outputs depend on one of `wanted`, found front to back. */
function activeNodes(order: readonly GraphNode[], wanted: ReadonlySet<Value>): Set<GraphNode> {
  const active = new Set<GraphNode>();
  for (const node of order) {
    const depends = node.inputs.some(
      (value) => value !== null && (wanted.has(value) || active.has(value.node)),
    );
    if (depends) active.add(node);
  }
  return active;
}

function sendBack(
  node: GraphNode,
  cotangents: readonly (Value | undefined)[],
  needs: readonly boolean[],
  send: (parts: readonly (readonly [value: Value, cotangent: Value])[]) => void,
): void {
  const rule = node.operator.gradient;
  if (rule === 'zero') return;
  if (rule === undefined) {
    throw new Error(
      `gradient: operator ${node.operator.name} has no gradient rule (node ${node.id}${node.scope ? ` in ${node.scope}` : ''})`,
    );
  }
  const results = rule(node, cotangents, needs);
  const parts: (readonly [Value, Value])[] = [];
  node.inputs.forEach((value, i) => {
    const result = results[i];
    if (!value || !needs[i] || !result) return;
    if (!sameShape(value.shape, result.shape)) {
      throw new Error(
        `gradient: the rule of ${node.operator.name} returned ${describeType(result)} for input ${i} of ${describeType(value)}`,
      );
    }
    parts.push([value, result]);
  });
  send(parts);
}
