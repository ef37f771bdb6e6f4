/** In which order ONNX Runtime computes a graph, and where it places values: what its memory follows from. */

import type { DataType, Shape, TensorType } from './types.ts';
import { BYTES_PER_ELEMENT, elementCount } from './types.ts';
import type { GraphNode, Value } from './value.ts';
import { leafOf, topologicalOrder } from './value.ts';

/** Operators that hand on the memory of their first input. */
const ALIASES: ReadonlySet<string> = new Set(['reshape', 'after']);

/** Operators whose result takes the place of an operand of its shape that nothing reads any more. */
const IN_PLACE: ReadonlySet<string> = new Set([
  ...[
    'add',
    'sub',
    'mul',
    'div',
    'neg',
    'abs',
    'exp',
    'log',
    'sqrt',
    'reciprocal',
    'sin',
    'cos',
    'erf',
    'tanh',
  ],
  ...['sigmoid', 'softmax', 'silu', 'gelu', 'clamp'],
]);

/** The value whose memory a value is: itself, or what it is reshaped from. */
function memoryOf(value: Value): Value {
  let source = value;
  while (ALIASES.has(source.node.operator.name)) source = source.node.inputs[0]!;
  return source;
}

/** Whether a value is a mapped weight, or one in another shape or type, which is converted anew wherever it is read. */
function isWeight(value: Value): boolean {
  let source = value;
  while (source.node.operator.name === 'reshape' || source.node.operator.name === 'cast')
    source = source.node.inputs[0]!;
  return leafOf(source)?.kind === 'weight';
}

/** Nodes that compute something, with their place in the encoded model: what reads only weights and constants stands ahead. */
function placedNodes(outputs: readonly Value[]): Map<GraphNode, number> {
  const order = topologicalOrder(outputs).filter(
    ({ outputs: [value] }) => !(leafOf(value!) || isWeight(value!)),
  );
  const fixed = new Set<GraphNode>();
  for (const node of order) {
    const isFixed = node.inputs.every(
      (value) =>
        value === null || fixed.has(value.node) || isWeight(value) || leafOf(value)?.kind === 'constant',
    );
    if (isFixed) fixed.add(node);
  }
  return new Map(order.map((node, i) => [node, fixed.has(node) ? i - order.length : i]));
}

/**
 * Nodes in the order in which ONNX Runtime computes them: depth first from the last node that nothing reads, and of what a node
 * reads first what stands last in the model, with everything before it (its `Graph::ReverseDFSFrom`).
 */
export function executionOrder(outputs: readonly Value[]): GraphNode[] {
  const places = placedNodes(outputs);
  const byPlace = (a: GraphNode, b: GraphNode) => places.get(a)! - places.get(b)!;
  const sources = new Map(
    [...places.keys()].map((node) => {
      const read = node.inputs.flatMap((value) => (value && places.has(value.node) ? [value.node] : []));
      return [node, [...new Set(read)].sort(byPlace)];
    }),
  );
  const read = new Set([...sources.values()].flat());
  const ends = [...places.keys()].filter((node) => !read.has(node)).sort(byPlace);
  const stack = ends.map((node) => ({ node, isDone: false }));
  const order: GraphNode[] = [];
  const seen = new Set<GraphNode>();
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, isDone } = top;
    if (isDone) order.push(node);
    else if (!seen.has(node)) {
      seen.add(node);
      stack.push({ node, isDone: true });
      for (const source of sources.get(node)!) stack.push({ node: source, isDone: false });
    }
  }
  return order;
}

/** Memory that is planned for values of one shape and type, one after the other. */
export interface PlannedBuffer {
  readonly bytes: number;
  /** Position of the node that first writes it, and of the last that reads what was last put into it. */
  readonly from: number;
  until: number;
  /** Shape and type. */
  readonly key: string;
}

function keyOf({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape}]`;
}

/** Memory that emitted nodes take beside an operator's own: the scores of one chunk of an attention, before and after softmax. */
function scratchOf({ operator, inputs, attributes }: GraphNode): TensorType[] {
  if (operator.name !== 'attention') return [];
  const [q, k] = inputs as readonly Value[];
  const { chunk } = attributes as { readonly chunk: number };
  const [n, heads, queries] = q!.shape as [number, number, number];
  const scores = { dtype: q!.dtype, shape: [n, heads, Math.min(chunk, queries), k!.shape[2]!] };
  return [scores, scores];
}

/** Shape in which a value is first written: group norms write rows of groups, which are reshaped. */
function writtenType({ node, index, dtype, shape }: Value): { dtype: DataType; shape: Shape } {
  if (node.operator.name !== 'groupNorm' || index > 0) return { dtype, shape };
  const { groups } = node.attributes as { readonly groups: number };
  return { dtype, shape: [shape[0]!, groups, elementCount(shape) / shape[0]! / groups] };
}

/** Buffers that wait for the next value of their shape and type. */
class Buffers {
  readonly all: PlannedBuffer[] = [];
  readonly #idle = new Map<string, PlannedBuffer[]>();

  take(type: TensorType, from: number, until: number): PlannedBuffer {
    const key = keyOf(type);
    const waiting = this.#idle.get(key)?.pop();
    if (waiting !== undefined) {
      waiting.until = until;
      return waiting;
    }
    const bytes = elementCount(type.shape) * BYTES_PER_ELEMENT[type.dtype];
    const buffer = { bytes, from, until, key };
    this.all.push(buffer);
    return buffer;
  }

  giveBack(buffer: PlannedBuffer): void {
    const waiting = this.#idle.get(buffer.key);
    if (waiting === undefined) this.#idle.set(buffer.key, [buffer]);
    else waiting.push(buffer);
  }
}

/**
 * Buffers of a graph's values as ONNX Runtime plans them (its `AllocationPlanner`): what is no longer read waits for the next
 * value of its shape and type, and is freed when there will be none.
 * @param order of execution; positions in it are those of the buffers
 */
export function plannedBuffers(order: readonly GraphNode[], outputs: readonly Value[]): PlannedBuffer[] {
  const last = new Map<Value, number>();
  order.forEach((node, position) => {
    for (const value of node.inputs) if (value !== null) last.set(memoryOf(value), position);
  });
  for (const value of outputs) last.set(memoryOf(value), order.length);
  const buffers = new Buffers();
  const held = new Map<Value, PlannedBuffer>();
  order.forEach((node, position) => {
    const converted = node.inputs.filter((value) => value && !leafOf(value) && isWeight(value)) as Value[];
    const passing = [...converted, ...scratchOf(node)].map((type) => buffers.take(type, position, position));
    // Values that nothing reads after this node, with the type as which it reads them.
    const dying = new Map<Value, string>();
    for (const value of node.inputs) {
      const memory = value && memoryOf(value);
      if (memory && held.has(memory) && last.get(memory) === position) dying.set(memory, keyOf(value));
    }
    for (const value of node.outputs) {
      const until = last.get(value);
      if (until === undefined || ALIASES.has(node.operator.name)) continue;
      const key = keyOf(value);
      const place = IN_PLACE.has(node.operator.name) && [...dying].find(([, read]) => read === key)?.[0];
      if (place) dying.delete(place);
      const buffer = place ? held.get(place)! : buffers.take(writtenType(value), position, until);
      buffer.until = until;
      held.set(value, buffer);
    }
    for (const value of dying.keys()) buffers.giveBack(held.get(value)!);
    for (const buffer of passing) buffers.giveBack(buffer);
  });
  return buffers.all;
}
