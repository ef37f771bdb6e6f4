/** Import of Resize and Upsample: one constant linear map an axis, whatever the mode and the coordinates. */

import { gather } from '../../operators/indexing.ts';
import { matmul } from '../../operators/matmul.ts';
import { cubicKernel } from '../../operators/resize.ts';
import { transpose } from '../../operators/shape.ts';
import { normalizeAxis } from '../../types.ts';
import type { Value } from '../../value.ts';
import { constant } from '../../value.ts';
import type { ImportNode, NodeImporter } from './node.ts';
import { checkedShape } from './tensor.ts';

interface AxisResize {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  /** Output over input size, as the node gives it. */
  readonly scale: number;
}

/** Place in the input of output position `i`, by the node's coordinate transformation. */
function sourceOf(i: number, { from, to, scale }: AxisResize, mode: string): number {
  switch (mode) {
    case 'asymmetric':
      return i / scale;
    case 'half_pixel':
      return (i + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return to > 1 ? (i * (from - 1)) / (to - 1) : 0;
    case 'half_pixel_symmetric': {
      const adjustment = to / (scale * from);
      return (from / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    default:
      throw new Error(`expected a known coordinate_transformation_mode, received ${mode}`);
  }
}

function nearestOf(position: number, mode: string): number {
  switch (mode) {
    case 'floor':
      return Math.floor(position);
    case 'ceil':
      return Math.ceil(position);
    case 'round_prefer_floor':
      return Math.ceil(position - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(position + 0.5);
    default:
      throw new Error(`expected a known nearest_mode, received ${mode}`);
  }
}

/** Which axes change, and how. */
function axesOf(node: ImportNode, x: Value): AxisResize[] {
  const rank = x.shape.length;
  const upsample = node.opType === 'Upsample' || node.opset < 11;
  const sizes = upsample ? null : node.known(3);
  const scales = node.floats('scales') ?? node.known(upsample ? 1 : 2)?.data ?? [];
  const axes = node.ints('axes')?.map((axis) => normalizeAxis(axis, rank)) ?? x.shape.map((_, axis) => axis);
  const given = sizes ? sizes.data : scales;
  if (given.length !== axes.length)
    throw new Error(`expected ${axes.length} scales or sizes, received ${given.length}`);
  if (node.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    throw new Error('expected policy stretch');
  const changes = axes.map((axis, i) => {
    const from = x.shape[axis]!;
    const to = sizes ? sizes.data[i]! : Math.floor(from * scales[i]!);
    return { axis, from, to, scale: sizes ? to / from : scales[i]! };
  });
  checkedShape(changes.map(({ to }) => to));
  return changes.filter(({ from, to, scale }) => from !== to || scale !== 1);
}

function weightsOf(mode: string, position: number, coefficient: number): [index: number, weight: number][] {
  const first = Math.floor(position);
  const rest = position - first;
  if (mode === 'linear') {
    return [
      [first, 1 - rest],
      [first + 1, rest],
    ];
  }
  return [-1, 0, 1, 2].map((k) => [first + k, cubicKernel(Math.abs(k - rest), coefficient)]);
}

/** Row-major [to, from]: each row holds the weights of the input elements. */
function linearMap(node: ImportNode, change: AxisResize, mode: string): number[] {
  const { from, to } = change;
  const coordinates = coordinateMode(node);
  const coefficient = node.float('cubic_coeff_a', -0.75);
  const exclude = node.int('exclude_outside', 0) === 1;
  const matrix = new Array<number>(to * from).fill(0);
  for (let i = 0; i < to; i++) {
    const source = sourceOf(i, change, coordinates);
    const clamped = mode === 'linear' ? Math.max(0, Math.min(from - 1, source)) : source;
    const weights = weightsOf(mode, clamped, coefficient);
    const counted = exclude ? weights.filter(([index]) => index >= 0 && index < from) : weights;
    const total = exclude ? counted.reduce((sum, [, weight]) => sum + weight, 0) : 1;
    for (const [index, weight] of counted) {
      matrix[i * from + Math.max(0, Math.min(from - 1, index))]! += weight / total;
    }
  }
  return matrix;
}

function coordinateMode(node: ImportNode): string {
  const older = node.opType === 'Upsample' || node.opset < 11;
  return older ? 'asymmetric' : node.string('coordinate_transformation_mode', 'half_pixel');
}

function applyMap(x: Value, change: AxisResize, matrix: readonly number[]): Value {
  const map = constant(matrix, [change.to, change.from], x.dtype);
  const last = x.shape.length - 1;
  if (change.axis === last - 1) return matmul(map, x);
  const order = x.shape.map((_, axis) => axis);
  [order[change.axis], order[last - 1]] = [last - 1, change.axis];
  return transpose(matmul(map, transpose(x, order)), order);
}

function resize(node: ImportNode): Value {
  const x = node.value(0);
  const mode = node.string('mode', 'nearest');
  if (!['nearest', 'linear', 'bilinear', 'cubic'].includes(mode))
    throw new Error(`expected a known mode, received ${mode}`);
  if (node.int('antialias', 0) === 1) throw new Error('expected antialias 0');
  const older = node.opType === 'Upsample' || node.opset < 11;
  const rounding = older ? 'floor' : node.string('nearest_mode', 'round_prefer_floor');
  return axesOf(node, x).reduce((part, change) => {
    if (mode === 'nearest') {
      const indices = Array.from({ length: change.to }, (_, i) => {
        const nearest = nearestOf(sourceOf(i, change, coordinateMode(node)), rounding);
        return Math.max(0, Math.min(change.from - 1, nearest));
      });
      return gather(part, constant(indices, [change.to], 'int64'), change.axis);
    }
    return applyMap(part, change, linearMap(node, change, mode === 'bilinear' ? 'linear' : mode));
  }, x);
}

/** Importers of Resize and of its predecessor Upsample. */
export const RESIZE_IMPORTERS: Readonly<Record<string, NodeImporter>> = { Resize: resize, Upsample: resize };
