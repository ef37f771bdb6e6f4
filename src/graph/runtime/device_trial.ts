/** The process that tries a device for `tryDevice`: multiplies two matrices on it, checks the result, and times it. */

import { encodeModel } from '../onnx/encode.ts';
import { matmul } from '../operators/matmul.ts';
import { input } from '../value.ts';
import type { TrialMessage } from './devices.ts';

const SIZE = 1024;
const RUNS = 3;

async function trial(device: string): Promise<number> {
  const ort = await import('onnxruntime-node');
  const shape = [SIZE, SIZE];
  const { bytes } = encodeModel({ product: matmul(input('a', shape), input('b', shape)) }, device);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: [device],
    logSeverityLevel: 4,
  });
  const halves = new Float32Array(SIZE * SIZE).fill(0.5);
  const feeds = { a: new ort.Tensor('float32', halves, shape), b: new ort.Tensor('float32', halves, shape) };
  let milliseconds = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    const { product } = await session.run(feeds);
    milliseconds = Math.min(milliseconds, performance.now() - start);
    const wrong = (product!.data as Float32Array).find((element) => element !== SIZE / 4);
    if (wrong !== undefined) throw new Error(`expected a product of ${SIZE / 4}, received ${wrong}`);
  }
  return milliseconds;
}

function send(message: TrialMessage): void {
  process.send!(message, () => process.exit(0));
}

trial(process.argv[2]!).then(
  (milliseconds) => send({ milliseconds }),
  (error: Error) => send({ error: error.message }),
);
