/** Models on weight files: values, element types, and files that do not belong to the model. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeModel, input, Runtime } from '../graph/index.ts';
import type { SafetensorsDtype } from '../weights/safetensors_header.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import type { WeightSource } from '../weights/weight_source.ts';
import { openWeights, weightsFromMemory, withRenaming } from '../weights/weight_source.ts';
import { clipText, parseClipTextConfig } from './clip_text.ts';
import type { Parameters } from './parameters.ts';
import { largestDifference } from './parity/comparison.ts';
import { openFixtures } from './parity/fixture.ts';
import { buildOnWeights, fileParameters, UNUSED_WEIGHTS } from './weights.ts';

const fixtures = openFixtures(fileURLToPath(new URL('../../test/fixtures', import.meta.url)));
const folder = 'clip-text/quick_gelu';
const original = openWeights([join(fixtures.path, folder, 'model.safetensors')]);
const config = parseClipTextConfig(fixtures.json(`${folder}/config.json`));
const golden = fixtures.open(`${folder}/case_len12.safetensors`);
const ids = golden.tensor('input_ids');
const scratch = mkdtempSync(join(tmpdir(), 'evenhand-weights-'));
let runtime: Runtime;

beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(scratch, { recursive: true });
});

const encode = (parameters: Parameters) =>
  clipText(config, parameters, { ids: input('ids', ids.shape, 'int64') }).lastHiddenState;

async function hiddenState(source: WeightSource): Promise<Float32Array> {
  const executable = await runtime.compile({ y: buildOnWeights(source, encode) });
  const { y } = await executable.run({ ids: ids.data });
  await executable.release();
  return y as Float32Array;
}

function convertedTo(dtype: SafetensorsDtype): WeightSource {
  const file = join(scratch, `${dtype}.safetensors`);
  const tensors = original.names().map((name) => {
    const { shape } = original.info(name);
    return [name, { dtype, shape, data: original.readFloat32(name) }] as const;
  });
  writeSafetensors(file, new Map(tensors));
  return openWeights([file]);
}

function inMemory(source: WeightSource): WeightSource {
  const tensors = source
    .names()
    .map((name) => [name, { shape: source.info(name).shape, data: source.readFloat32(name) }] as const);
  return weightsFromMemory(Object.fromEntries(tensors));
}

describe('weights', () => {
  test('float32 files give the golden values, and their bytes stay out of the graph', async () => {
    const expected = golden.tensor('last_hidden_state').data;
    expect(largestDifference(await hiddenState(original), expected)).toBeLessThan(8e-5);
    const fromFile = encodeModel({ y: encode(fileParameters(original)) }).bytes.length;
    const embedded = encodeModel({ y: encode(fileParameters(inMemory(original))) }).bytes.length;
    expect(embedded - fromFile).toBeGreaterThan(200_000);
  });

  test.each(['F16', 'BF16'] as const)(
    '%s files give what their rounded values give in float32',
    async (dtype) => {
      const file = convertedTo(dtype);
      const [got, expected] = [await hiddenState(file), await hiddenState(inMemory(file))];
      expect(largestDifference(got, expected)).toBeLessThan(1e-5);
      expect(largestDifference(got, golden.tensor('last_hidden_state').data)).toBeGreaterThan(1e-4);
    },
  );

  test('a missing parameter is named', () => {
    const source = withRenaming(original, (name) => (name.endsWith('layers.1.mlp.fc2.bias') ? null : name));
    expect(() => buildOnWeights(source, encode)).toThrow(/has no tensor ".*layers\.1\.mlp\.fc2\.bias"/);
  });

  test('a parameter of another shape is named', () => {
    const wide = { ...config, intermediate_size: 64 };
    const build = (parameters: Parameters) =>
      clipText(wide, parameters, { ids: input('ids', ids.shape, 'int64') });
    expect(() => buildOnWeights(original, build)).toThrow(
      /mlp\.fc1\.weight: expected shape \[64,32\], received \[128,32\]/,
    );
  });

  test('left-over tensors are listed, unless they are known to be of no use', () => {
    const extra = inMemory(original);
    const more = weightsFromMemory({
      ...Object.fromEntries(
        extra.names().map((name) => [name, { shape: extra.info(name).shape, data: extra.readFloat32(name) }]),
      ),
      'text_model.embeddings.position_ids': { shape: [1], data: new Float32Array(1) },
    });
    expect(() => buildOnWeights(more, encode)).toThrow(/1 tensors .*position_ids/);
    expect(buildOnWeights(more, encode, UNUSED_WEIGHTS.clipText).shape).toEqual([...ids.shape, 32]);
  });
});
