/** What the golden numbers of the text encoder leave open: soft tokens, the pooled position, and refusals. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concat, constant, input, Runtime } from '../graph/index.ts';
import { openWeights } from '../weights/weight_source.ts';
import { clipText, clipTextEmbeddings, parseClipTextConfig } from './clip_text.ts';
import { largestDifference } from './parity/comparison.ts';
import { openFixtures } from './parity/fixture.ts';
import { fileParameters } from './weights.ts';

const fixtures = openFixtures(fileURLToPath(new URL('../../test/fixtures', import.meta.url)));
const model = (folder: string) => ({
  config: parseClipTextConfig(fixtures.json(`clip-text/${folder}/config.json`)),
  parameters: fileParameters(openWeights([join(fixtures.path, 'clip-text', folder, 'model.safetensors')])),
});
let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

const ids = (...rows: number[][]) => constant(rows.flat(), [rows.length, rows[0]!.length], 'int64');

describe('the text encoder', () => {
  test('takes soft tokens in place of words', async () => {
    const { config, parameters } = model('quick_gelu');
    const words = [0, 17, 230, 999];
    const plain = clipText(config, parameters, { ids: ids(words) });
    const table = clipTextEmbeddings(config, parameters, ids([17, 230]));
    const soft = input('soft', [1, 2, 32]);
    const around = (id: number) => clipTextEmbeddings(config, parameters, ids([id]));
    const inputsEmbeds = concat([around(0), soft, around(999)], 1);
    const mixed = clipText(config, parameters, { ids: ids([0, 0, 0, 999]), inputsEmbeds });
    const executable = await runtime.compile({
      table,
      a: plain.lastHiddenState,
      pooledA: plain.poolerOutput!,
    });
    const expected = await executable.run({});
    const softRun = await runtime.compile({ b: mixed.lastHiddenState, pooledB: mixed.poolerOutput! });
    const got = await softRun.run({ soft: expected.table! });
    expect(largestDifference(got.b!, expected.a!)).toBeLessThan(1e-5);
    expect(largestDifference(got.pooledB!, expected.pooledA!)).toBeLessThan(1e-5);
    const other = await softRun.run({ soft: new Float32Array(64) });
    expect(largestDifference(other.b!, expected.a!)).toBeGreaterThan(0.1);
  });

  // Row 0 has the end token twice, row 1 never.
  test.each([
    [
      'quick_gelu',
      'the largest id',
      [
        [0, 998, 999, 5, 999],
        [0, 7, 300, 2, 41],
      ],
      [2, 2],
    ],
    [
      'gelu',
      'the first end token',
      [
        [998, 4, 999, 5, 999],
        [998, 999, 3, 0, 0],
      ],
      [2, 1],
    ],
  ])('pools with %s at %s', async (folder, _, rows, positions) => {
    const { config, parameters } = model(folder);
    const { lastHiddenState, poolerOutput } = clipText(config, parameters, { ids: ids(...rows) });
    const executable = await runtime.compile({ all: lastHiddenState, pooled: poolerOutput! });
    const { all, pooled } = await executable.run({});
    positions.forEach((position, row) => {
      const start = (row * 5 + position) * 32;
      expect(largestDifference(pooled!.slice(row * 32, row * 32 + 32), all!.slice(start, start + 32))).toBe(
        0,
      );
    });
  });

  test('refuses texts that are too long, and no text at all', () => {
    const { config, parameters } = model('gelu');
    const long = ids(new Array<number>(78).fill(1));
    expect(() => clipText(config, parameters, { ids: long })).toThrow(/L at most 77, received \[1,78,32\]/);
    expect(() => clipText(config, parameters, {})).toThrow(/expected ids or inputsEmbeds/);
  });

  test('has no pooled output without ids', () => {
    const { config, parameters } = model('gelu');
    const inputsEmbeds = input('x', [2, 5, 32]);
    expect(clipText(config, parameters, { inputsEmbeds }).poolerOutput).toBeNull();
  });
});
