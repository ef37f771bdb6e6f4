/** Scores of images from a user's files: a JavaScript module that builds graph values, or an ONNX model. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Preprocessing } from '../faces/preprocessing.ts';
import { PLAIN_PREPROCESSING, preprocess } from '../faces/preprocessing.ts';
import type { OnnxInput, Value } from '../graph/index.ts';
import * as graph from '../graph/index.ts';
import { importOnnx, onnxInputs } from '../graph/index.ts';
import type { ImageScore } from './score_objective.ts';

/** What a file does not say itself. */
export interface ScoreFileOptions {
  /** Output of an ONNX model that holds the score; its only one when left out. */
  readonly output?: string;
  /** Side of the ONNX model's square images; the model's own, or that of the drawn images, when left out. */
  readonly side?: number;
  /** Mean and standard deviation of an ONNX model's channels, black being 0 and white 1; .5 and .5 when left out. */
  readonly mean?: readonly [number, number, number];
  readonly deviation?: readonly [number, number, number];
}

/**
 * Opens a score.
 *
 * A module (`.js`, `.mjs`) exports a default function of graph values: `(images, graph) => scores`, with images
 * [N, 3, height, width] in -1..1, every operator in `graph`, and one number an image as the result. An ONNX model takes
 * images as its first input [N, 3, side, side].
 * @throws Error naming the file and what was expected of it
 */
export async function openScore(file: string, options: ScoreFileOptions = {}): Promise<ImageScore> {
  if (!existsSync(file))
    throw new Error(`objective: expected a .js, .mjs or .onnx file, found none at ${file}`);
  const name = path.basename(file, path.extname(file));
  switch (path.extname(file)) {
    case '.onnx':
      return onnxScore(name, file, options);
    case '.js':
    case '.mjs':
      return { name, score: await moduleScore(file) };
    default:
      throw new Error(`objective: expected a .js, .mjs or .onnx file, received ${file}`);
  }
}

async function moduleScore(file: string): Promise<ImageScore['score']> {
  const { default: score } = (await import(pathToFileURL(path.resolve(file)).href)) as { default?: unknown };
  if (typeof score !== 'function') {
    throw new Error(
      `${file}: expected a default export, a function (images, graph) => scores, received ${typeof score}`,
    );
  }
  return (images) => (score as (images: Value, operators: typeof graph) => Value)(images, graph);
}

function onnxScore(name: string, file: string, options: ScoreFileOptions): ImageScore {
  const preprocessing: Preprocessing = {
    ...PLAIN_PREPROCESSING,
    side: options.side ?? null,
    mean: options.mean ?? PLAIN_PREPROCESSING.mean,
    deviation: options.deviation ?? PLAIN_PREPROCESSING.deviation,
  };
  return {
    name,
    score(images) {
      const { name: first, dimensions } = imageInput(file);
      const own = dimensions[2];
      const side = options.side ?? (typeof own === 'number' ? own : images.shape[2]!);
      const { outputs } = importOnnx(file, { inputs: { [first]: preprocess(images, preprocessing, side) } });
      const names = Object.keys(outputs);
      const found = outputs[options.output ?? (names.length === 1 ? names[0]! : '')];
      if (found !== undefined) return found;
      throw new Error(
        `${file}: expected the name of the output that holds the score, one of ${names.join(', ')}, received ` +
          `${options.output ?? 'none'}`,
      );
    },
  };
}

/** The model's only input, [N, 3, side, side]. */
function imageInput(file: string): OnnxInput {
  const inputs = onnxInputs(file);
  const [first, ...others] = inputs;
  if (first !== undefined && others.length === 0 && first.dimensions.length === 4) return first;
  const received = inputs.map(({ name, dimensions }) => `${name} [${dimensions}]`).join(', ');
  throw new Error(
    `${file}: expected a model with one input of images [N, 3, side, side], received ${received || 'none'}`,
  );
}
