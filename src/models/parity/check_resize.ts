/** Parity of image resizing with PyTorch's interpolate: bilinear with and without antialiasing, bicubic. */

import type { Value } from '../../graph/index.ts';
import { resizeInterpolated } from '../../graph/index.ts';
import type { Checker } from './comparison.ts';
import type { Fixture } from './fixture.ts';
import type { CaseGraph, CaseInputs, Derivative } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Side of the grid that the bicubic tensors are resized from. */
const GRID = 5;

/** Checks `extras/resize_bilinear.safetensors`. */
export const resizeChecker: Checker = Object.freeze({
  folder: 'extras',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('extras')) {
      const fixture = fixtures.open(name);
      const none = { has: () => false, readFloat32: () => new Float32Array() };
      yield await runModelCase(runtime, fixture, none, (inputs) => build(fixture, inputs));
    }
  },
} satisfies Checker);

function build({ tolerances }: Fixture, { feed }: CaseInputs): CaseGraph {
  const outputs: Record<string, Value> = {};
  const derivatives: Derivative[] = [];
  for (const name of tolerances.keys()) {
    const bilinear = /^(.+)\/(plain|antialias)\.out$/.exec(name);
    if (bilinear !== null) {
      const [, size, kind] = bilinear;
      const [image, cotangent] = [feed(`${size}/image`), feed(`${size}/R`)];
      const [height, width] = cotangent.shape.slice(2) as [number, number];
      const output = resizeInterpolated(image, height, width, {
        kernel: 'bilinear',
        antialias: kind === 'antialias',
      });
      outputs[name] = output;
      derivatives.push({ prefix: `${size}/${kind}.grad.`, output, cotangent, inputs: { image } });
    }
    const bicubic = /^bicubic\/(?:size_(\d+)|scale_factor_([\d.]+)_over_5)$/.exec(name);
    if (bicubic !== null) {
      const side = Math.floor(Number(bicubic[1] ?? bicubic[2]));
      const scale = bicubic[2] === undefined ? undefined : Number(bicubic[2]) / GRID;
      outputs[name] = resizeInterpolated(feed('bicubic/grid5x5'), side, side, {
        kernel: 'bicubic',
        ...(scale === undefined ? {} : { scale: [scale, scale] as const }),
      });
    }
  }
  return { outputs, derivatives };
}
