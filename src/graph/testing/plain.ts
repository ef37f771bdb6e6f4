/** References by plain loops over indices, for checking operators. */

import type { Shape } from '../types.ts';
import { broadcastShapes, elementCount } from '../types.ts';

/** A tensor of plain numbers in row-major order. */
export interface PlainTensor {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** Every index of `shape`, in row-major order. */
export function indicesOf(shape: Shape): number[][] {
  return Array.from({ length: elementCount(shape) }, (_, flat) => {
    const index = new Array<number>(shape.length);
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return index;
  });
}

/** The element at `index`; leading extra axes of the index are dropped and axes of size 1 repeat (broadcasting). */
export function elementAt(x: PlainTensor, index: readonly number[]): number {
  const lead = index.length - x.shape.length;
  let flat = 0;
  x.shape.forEach((size, axis) => {
    flat = flat * size + (size === 1 ? 0 : index[lead + axis]!);
  });
  return x.data[flat]!;
}

/** Elements of a tensor of `shape` computed index by index. */
export function tabulate(shape: Shape, element: (index: readonly number[]) => number): number[] {
  return indicesOf(shape).map(element);
}

/** Elementwise function of tensors that broadcast together. */
export function elementwise(
  compute: (...elements: number[]) => number,
): (...tensors: PlainTensor[]) => number[] {
  return (...tensors) => {
    const shape = tensors.map((x) => x.shape).reduce<readonly number[]>((a, b) => broadcastShapes(a, b), []);
    return tabulate(shape, (index) => compute(...tensors.map((x) => elementAt(x, index))));
  };
}

/** Reduction of `axes` by a function of the list of elements that fall together. */
export function reduction(
  axes: readonly number[],
  compute: (elements: readonly number[]) => number,
): (x: PlainTensor) => number[] {
  return (x) => {
    const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const inner = x.shape.map((size, axis) => (axes.includes(axis) ? size : 1));
    return tabulate(kept, (outer) =>
      compute(
        indicesOf(inner).map((index) =>
          elementAt(
            x,
            index.map((i, axis) => i + outer[axis]!),
          ),
        ),
      ),
    );
  };
}

/** Sum of a list. */
export function sum(elements: readonly number[]): number {
  return elements.reduce((total, element) => total + element, 0);
}

/** Arithmetic mean of a list. */
export function mean(elements: readonly number[]): number {
  return sum(elements) / elements.length;
}

/** Biased variance of a list. */
export function variance(elements: readonly number[]): number {
  const centre = mean(elements);
  return mean(elements.map((element) => (element - centre) ** 2));
}

/** Gauss error function by its Taylor series (|x| below about 4). */
export function plainErf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
