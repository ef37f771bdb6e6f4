/** The network of a card as a function of graph values: images of -1..1 in, the model's own outputs out. */

import type { TensorFlowFile, Value } from '../../graph/index.ts';
import {
  add,
  concat,
  constant,
  importOnnx,
  importTensorFlow,
  mul,
  onnxInputs,
  pad,
  readTensorFlow,
  reverse,
  scale,
  shift,
  slice,
  tensorFlowInputs,
  transpose,
} from '../../graph/index.ts';
import type { CardInput, OpenedCard } from './card.ts';
import { modelFileOf } from './locate.ts';

/** A model of a card that was found. */
export interface CardNetwork {
  /** Side of its images in pixels. */
  readonly side: number;
  /**
   * Runs it.
   * @param images [N, 3, side, side] in -1..1
   * @param outputs tensors that are wanted; those that the model names when left out
   * @returns by name, axes as the model has them
   */
  run(images: Value, outputs?: readonly string[]): Readonly<Record<string, Value>>;
}

/**
 * Images as a card's model wants them: channels in its order, black and white at its numbers.
 * @param images [N, 3, side, side] in -1..1
 */
export function cardImages({ range, mean, deviation, channels }: CardInput, images: Value): Value {
  const x = channels === 'bgr' ? reverse(images, 1) : images;
  if (range !== undefined) {
    const [black, white] = range;
    return shift(scale(x, (white - black) / 2), (white + black) / 2);
  }
  const inOrder = (values: readonly number[]) =>
    constant(channels === 'bgr' ? [...values].reverse() : values, [1, 3, 1, 1]);
  const factors = inOrder(deviation!.map((value) => 0.5 / value));
  const offsets = inOrder(deviation!.map((value, i) => (0.5 - mean![i]!) / value));
  return add(mul(x, factors), offsets);
}

/**
 * Finds the model of a card and checks that its images have the card's size.
 * @throws Error naming the card and what does not fit
 */
export function openCardNetwork(opened: OpenedCard): CardNetwork {
  const { card, file } = opened;
  const model = modelFileOf(opened);
  const { side } = card.input;
  const tensorflow = model.endsWith('.json') ? readTensorFlow(model) : null;
  const known = tensorflow ? tensorFlowInputs(tensorflow) : onnxInputs(model);
  const chosen =
    card.input.name === undefined && known.length === 1
      ? known[0]
      : known.find(({ name }) => name === card.input.name);
  if (chosen === undefined) {
    const names = known.map(({ name }) => name).join(', ');
    throw new Error(`${file}: input.name: expected one of ${names}, received ${card.input.name ?? 'none'}`);
  }
  const rows = chosen.dimensions.slice(...(tensorflow || card.input.layout === 'nhwc' ? [1, 3] : [2, 4]));
  if (rows.some((size) => typeof size === 'number' && size >= 0 && size !== side)) {
    throw new Error(`${file}: input.side: expected ${rows.join(' x ')} as ${model} has it, received ${side}`);
  }
  const forImages = tensorflow
    ? tensorflowRunner(tensorflow, chosen.name)
    : onnxRunner(model, chosen, card.input.layout);
  return Object.freeze({
    side,
    run: (images: Value, outputs?: readonly string[]) => forImages(cardImages(card.input, images), outputs),
  });
}

type Runner = (images: Value, outputs: readonly string[] | undefined) => Readonly<Record<string, Value>>;

function tensorflowRunner(model: TensorFlowFile, name: string): Runner {
  return (images, outputs) =>
    importTensorFlow(model, {
      inputs: { [name]: images },
      layout: 'channelsFirst',
      ...(outputs ? { outputs } : {}),
    }).outputs;
}

function onnxRunner(
  model: string,
  { name, dimensions }: { readonly name: string; readonly dimensions: readonly (number | string)[] },
  layout: CardInput['layout'],
): Runner {
  const run = (images: Value) => {
    const lying = layout === 'nhwc' ? transpose(images, [0, 2, 3, 1]) : images;
    return importOnnx(model, { inputs: { [name]: lying } }).outputs;
  };
  return (images, wanted) => {
    const count = images.shape[0]!;
    const fixed = typeof dimensions[0] === 'number' ? dimensions[0] : count;
    // A model for a fixed number of images is repeated until all are through, the last time filled up with zeros.
    const passes = Math.ceil(count / fixed);
    const missing = passes * fixed - count;
    const filled = pad(images, [0, 0, 0, 0], [missing, 0, 0, 0]);
    const parts = Array.from({ length: passes }, (_, i) =>
      run(passes === 1 ? filled : slice(filled, { axis: 0, start: i * fixed, end: (i + 1) * fixed })),
    );
    const names = wanted ?? Object.keys(parts[0]!);
    return Object.fromEntries(
      names.map((key) => {
        const values = parts.map((part) => part[key]);
        if (values.some((value) => value === undefined)) {
          throw new Error(
            `${model}: expected one of its outputs ${Object.keys(parts[0]!).join(', ')}, received ${key}`,
          );
        }
        const all = concat(values as Value[], 0);
        return [key, missing === 0 ? all : slice(all, { axis: 0, end: count })];
      }),
    );
  };
}
