/** From the outputs of someone else's classifier to logits of the classes that a card names. */

import type { Value } from '../../graph/index.ts';
import {
  concat,
  constant,
  gather,
  log,
  maximum,
  neg,
  reduceLogSumExp,
  reshape,
  scalar,
  scale,
  shift,
  slice,
} from '../../graph/index.ts';
import type { AttributeHead } from '../attributes.ts';
import type { CardHead } from './card.ts';

/** Smallest probability that is told from 0, so that its logarithm and the gradient stay finite. */
const SMALLEST = 1e-7;

/** Numbers of a range `low-high`, as class names; null for other text. */
function numbersOf(text: string): string[] | null {
  const match = /^(\d+)-(\d+)$/.exec(text);
  if (match === null) return null;
  const [low, high] = [Number(match[1]), Number(match[2])];
  if (high < low || high - low > 10_000) throw new Error(`expected a range as in 0-99, received ${text}`);
  return Array.from({ length: high - low + 1 }, (_, i) => String(low + i));
}

/** A card's attribute, ready to be read. */
export interface ReadHead extends AttributeHead {
  readonly head: CardHead;
  /** Columns of the model's output. */
  readonly columns: number;
  /** For each class, the model's own classes that count as it. */
  readonly members: readonly (readonly number[])[];
}

/**
 * Works out the classes and groups of a head.
 * @throws Error naming a class that is unknown, in several groups, or in none
 */
export function readHead(name: string, head: CardHead): ReadHead {
  const fields = `outputs.${name}`;
  const own = typeof head.classes === 'string' ? numbersOf(head.classes)! : head.classes;
  if ((head.kind === 'logit' || head.kind === 'probability') && own.length !== 2) {
    throw new Error(`${fields}.classes: expected two for the kind ${head.kind}, received ${own.length}`);
  }
  const columns = head.kind === 'logits' || head.kind === 'probabilities' ? own.length : 1;
  if (head.groups === undefined) {
    return { name, classes: own, head, columns, members: own.map((_, i) => [i]) };
  }
  const taken = new Map<string, string>();
  const members = Object.entries(head.groups).map(([group, listed]) => {
    const items = typeof listed === 'string' ? [listed] : listed;
    const names = items.flatMap((item) => (own.includes(item) ? [item] : (numbersOf(item) ?? [item])));
    return names.map((each) => {
      const index = own.indexOf(each);
      if (index < 0)
        throw new Error(`${fields}.groups.${group}: expected classes of ${own.join(', ')}, received ${each}`);
      if (taken.has(each))
        throw new Error(`${fields}.groups.${group}: ${each} is in the group ${taken.get(each)} already`);
      taken.set(each, group);
      return index;
    });
  });
  const left = own.filter((each) => !taken.has(each));
  if (left.length > 0)
    throw new Error(`${fields}.groups: expected every class in a group, missed ${left.join(', ')}`);
  const classes = Object.keys(head.groups);
  if (classes.length < 2)
    throw new Error(`${fields}.groups: expected at least two groups, received ${classes.length}`);
  return { name, classes, head, columns, members };
}

function safeLog(probability: Value): Value {
  return log(maximum(probability, scalar(SMALLEST)));
}

/**
 * Logits of a head's classes: of a group the logarithm of the sum of its members' exponentials, so that a softmax gives it
 * the sum of their probabilities.
 * @param output [N, ...] of the model
 * @returns [N, classes]
 * @throws Error when the output has too few columns
 */
export function headLogits({ name, head, columns, members }: ReadHead, output: Value): Value {
  const [batch, ...rest] = output.shape as [number, ...number[]];
  const width = rest.reduce((product, size) => product * size, 1);
  if (width < head.from + columns) {
    throw new Error(
      `outputs.${name}: expected at least ${head.from + columns} columns, received [${output.shape}] of the model`,
    );
  }
  const rows = slice(reshape(output, [batch, width]), {
    axis: 1,
    start: head.from,
    end: head.from + columns,
  });
  const own = ownLogits(head.kind, rows);
  if (members.every((group) => group.length === 1)) {
    const order = members.map(([index]) => index!);
    return order.every((index, i) => index === i)
      ? own
      : gather(own, constant(order, [order.length], 'int64'), 1);
  }
  const groups = members.map((group) => {
    const columnsOf = gather(own, constant(group, [group.length], 'int64'), 1);
    return reduceLogSumExp(columnsOf, { axes: [1], keepDimensions: true });
  });
  return concat(groups, 1);
}

function ownLogits(kind: CardHead['kind'], rows: Value): Value {
  switch (kind) {
    case 'logits':
      return rows;
    case 'probabilities':
      return safeLog(rows);
    case 'logit':
      return concat([scale(rows, 0), rows], 1);
    case 'probability':
      return concat([safeLog(shift(neg(rows), 1)), safeLog(rows)], 1);
  }
}
