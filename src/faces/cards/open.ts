/** Cards as the detectors, classifiers and embedders that everything else works with. */

import type { Value } from '../../graph/index.ts';
import { input, reshape } from '../../graph/index.ts';
import type { AttributeModel } from '../attributes.ts';
import type { DetectorNetwork } from '../detection.ts';
import type { FaceEmbedder } from '../embedding.ts';
import { blazeFaceOutputs, decodeBlazeFace } from './blazeface.ts';
import { readCardOf } from './card.ts';
import { headLogits, readHead } from './heads.ts';
import type { CardNetwork } from './network.ts';
import { openCardNetwork } from './network.ts';

/** Names the card in the message of whatever goes wrong while its model is looked at. */
function naming<T>(file: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(message.startsWith(file) ? message : `${file}: ${message}`, { cause: error });
  }
}

/** Images for trying a network out without computing anything. */
function sample({ side }: CardNetwork): Value {
  return input('images', [1, 3, side, side]);
}

/**
 * The network of a detector's card.
 * @throws Error naming the card and what is wrong with it or its model
 */
export function openCardDetector(path: string): DetectorNetwork {
  const opened = readCardOf('detector', path);
  return naming(opened.file, () => {
    const network = openCardNetwork(opened);
    const run = (images: Value) => ({ ...blazeFaceOutputs(network.run(images)) });
    run(sample(network));
    const { threshold } = opened.card;
    return {
      side: network.side,
      ...(threshold === undefined ? {} : { threshold }),
      run,
      decode: ({ scores, boxes }, options) =>
        decodeBlazeFace(scores as Float32Array, boxes as Float32Array, network.side, options),
    };
  });
}

/** The tensor that a card names, or the only one there is. */
function outputOf(outputs: Readonly<Record<string, Value>>, name: string | undefined, field: string): Value {
  const names = Object.keys(outputs);
  const value = name === undefined && names.length === 1 ? outputs[names[0]!] : outputs[name ?? ''];
  if (value === undefined)
    throw new Error(`${field}: expected one of ${names.join(', ')}, received ${name ?? 'none'}`);
  return value;
}

/** The tensors to ask a model for: those that a card names, or whatever the model offers where it names none. */
function wantedOf(names: readonly (string | undefined)[]): string[] | undefined {
  const named = names.filter((name) => name !== undefined);
  return named.length === 0 ? undefined : [...new Set(named)];
}

/**
 * The classifier of a card; it is differentiable from the images to the logits.
 * @throws Error naming the card and what is wrong with it or its model
 */
export function openCardClassifier(path: string): AttributeModel {
  const { card, file } = readCardOf('classifier', path);
  return naming(file, () => {
    const network = openCardNetwork({ card, file });
    const heads = Object.entries(card.outputs).map(([name, head]) => readHead(name, head));
    const wanted = wantedOf(heads.map(({ head }) => head.tensor));
    const logits = (crops: Value) => {
      const outputs = network.run(crops, wanted);
      return heads.map((each) =>
        headLogits(each, outputOf(outputs, each.head.tensor, `outputs.${each.name}.tensor`)),
      );
    };
    logits(sample(network));
    return Object.freeze({
      attributes: Object.freeze(heads.map(({ name, classes }) => Object.freeze({ name, classes }))),
      side: network.side,
      ...(card.margin === undefined ? {} : { margin: card.margin }),
      logits,
    });
  });
}

/**
 * The embedder of a card; it is differentiable from the aligned faces to the vectors.
 * @throws Error naming the card and what is wrong with it or its model
 */
export function openCardEmbedder(path: string): FaceEmbedder {
  const { card, file } = readCardOf('embedder', path);
  return naming(file, () => {
    const network = openCardNetwork({ card, file });
    const embed = (faces: Value) => {
      const value = outputOf(network.run(faces, wantedOf([card.tensor])), card.tensor, 'tensor');
      const [batch, ...rest] = value.shape as [number, ...number[]];
      return reshape(value, [batch, rest.reduce((product, size) => product * size, 1)]);
    };
    return Object.freeze({ side: network.side, dimension: embed(sample(network)).shape[1]!, embed });
  });
}
