/** What a graph is fed: checked against its inputs and copied, so that callers keep their arrays. */

import type { NamedTensorType } from '../onnx/encode.ts';
import type { TensorData } from '../types.ts';
import { describeType, elementCount } from '../types.ts';
import { toTensorData } from '../value.ts';
import type { Tensors } from './executable.ts';
import type { TensorMessage } from './messages.ts';

/** Feeds of one run in buffers of their own. */
export type StagedFeeds = Readonly<Record<string, TensorMessage>>;

/**
 * Copies feeds into `buffers` of an earlier run, or into new ones, after checking them against the inputs.
 * @throws Error naming the input that is missing, unknown, of the wrong length or of a type that only weights have
 */
export function stageFeeds(
  inputs: readonly NamedTensorType[],
  feeds: Tensors,
  buffers?: StagedFeeds,
): StagedFeeds {
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === name)) {
      throw new Error(
        `runtime: expected inputs ${inputs.map((input) => input.name).join(', ')}, received ${name}`,
      );
    }
  }
  const messages: Record<string, TensorMessage> = {};
  for (const input of inputs) {
    const data = feeds[input.name];
    if (data === undefined)
      throw new Error(`runtime: expected input ${input.name} (${describeType(input)}), received none`);
    const { dtype } = input;
    if (dtype === 'bfloat16')
      throw new Error(`runtime: ${input.name}: bfloat16 is a type of weights, not of inputs`);
    const typed = toTensorData(data, dtype);
    if (typed.length !== elementCount(input.shape)) {
      throw new Error(
        `runtime: expected ${describeType(input)} for ${input.name}, received ${typed.length} elements`,
      );
    }
    messages[input.name] = {
      dtype,
      shape: input.shape,
      data: copyInto(typed, buffers?.[input.name]?.data),
    };
  }
  return messages;
}

function copyInto(source: TensorData, target: TensorData | undefined): TensorData {
  if (target === undefined) return source.slice() as TensorData;
  target.set(source as never);
  return target;
}
