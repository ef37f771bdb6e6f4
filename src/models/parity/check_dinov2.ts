/** Parity of DINOv2 with facebookresearch/dinov2 and with transformers' Dinov2Model: the same weights in both layouts. */

import { join } from 'node:path';
import type { Value } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { DinoV2Config } from '../dinov2.ts';
import { dinov2, parseDinoV2Config } from '../dinov2.ts';
import type { CaseResult, Checker } from './comparison.ts';
import type { Fixture } from './fixture.ts';
import type { CaseGraph, CaseInputs } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Golden tensors with this prefix are from transformers, the others from the original code. */
const HF_PREFIX = 'hf.';

/** Checks every case below `dinov2/` in both layouts. */
export const dinov2Checker: Checker = Object.freeze({
  folder: 'dinov2',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('dinov2')) {
      const comparisons: CaseResult['comparisons'][number][] = [];
      for (const layout of ['facebook', 'hf'] as const) {
        const fixture = ofLayout(fixtures.open(name), layout);
        if (fixture.tolerances.size === 0) continue;
        const config = parseDinoV2Config(fixtures.json(`dinov2/${layout}/config.json`));
        const weights = openWeights([join(fixtures.path, 'dinov2', layout, 'model.safetensors')]);
        const result = await runModelCase(runtime, fixture, weights, (inputs) => build(config, inputs));
        comparisons.push(...result.comparisons);
      }
      yield { name, comparisons };
    }
  },
} satisfies Checker);

/** The case with only the golden tensors of one implementation. */
function ofLayout(fixture: Fixture, layout: DinoV2Config['layout']): Fixture {
  const tolerances = [...fixture.tolerances].filter(
    ([name]) => name.startsWith(HF_PREFIX) === (layout === 'hf'),
  );
  return { ...fixture, tolerances: new Map(tolerances) };
}

function build(config: DinoV2Config, { parameters, feed }: CaseInputs): CaseGraph {
  const pixels = feed('pixel_values');
  const { classToken, patchTokens, positionEmbedding, tokens } = dinov2(config, parameters, pixels);
  const outputs: Record<string, Value> =
    config.layout === 'hf'
      ? { 'hf.pooler_output': classToken, 'hf.pos_embed_interpolated': positionEmbedding }
      : {
          x_norm_clstoken: classToken,
          x_norm_patchtokens: patchTokens,
          pos_embed_interpolated: positionEmbedding,
          tokens_after_pos_embed: tokens,
        };
  const prefix = config.layout === 'hf' ? `${HF_PREFIX}grad.` : 'grad.';
  const inputs = { pixel_values: pixels };
  return { outputs, derivatives: [{ prefix, output: classToken, cotangent: feed('R'), inputs }] };
}
