/** Parity of LoRA with PEFT: a CLIP text encoder with an adapter, its gradients, and a merged weight. */

import { join } from 'node:path';
import { mul, reduceSum } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { ClipTextConfig } from '../clip_text.ts';
import { clipText, parseClipTextConfig } from '../clip_text.ts';
import type { LinearShape, LoraFactors } from '../parameters.ts';
import { mergedWeight, withLora } from '../parameters.ts';
import type { Checker } from './comparison.ts';
import type { CaseGraph, CaseInputs } from './model_case.ts';
import { runModelCase } from './model_case.ts';

const PREFIX = 'base_model.model.';
const MERGED = 'text_model.encoder.layers.0.self_attn.q_proj';

/** Checks `lora/case.safetensors`: the adapter `lora/peft` on the model `clip-text/quick_gelu`. */
export const loraChecker: Checker = Object.freeze({
  folder: 'lora',
  async *check({ fixtures, runtime }) {
    const config = parseClipTextConfig(fixtures.json('clip-text/quick_gelu/config.json'));
    const { r: rank, lora_alpha: alpha } = fixtures.json('lora/peft/adapter_config.json') as {
      r: number;
      lora_alpha: number;
    };
    const weights = openWeights([
      join(fixtures.path, 'clip-text/quick_gelu/model.safetensors'),
      join(fixtures.path, 'lora/peft/adapter_model.safetensors'),
    ]);
    for (const name of fixtures.cases('lora')) {
      yield await runModelCase(runtime, fixtures.open(name), weights, (inputs) =>
        build(config, rank, alpha, inputs),
      );
    }
  },
} satisfies Checker);

function build(config: ClipTextConfig, rank: number, alpha: number, inputs: CaseInputs): CaseGraph {
  const { parameters, feed } = inputs;
  const factors = (path: string, { inputs: size, outputs }: LinearShape): LoraFactors | null => {
    if (!parameters.has(`${PREFIX}${path}.lora_A.weight`)) return null;
    const down = parameters.tensor(`${PREFIX}${path}.lora_A.weight`, [rank, size]);
    const up = parameters.tensor(`${PREFIX}${path}.lora_B.weight`, [outputs, rank]);
    return { down, up, scale: alpha / rank };
  };
  const encoded = clipText(config, withLora(parameters, factors), { ids: feed('input_ids') });
  const output = encoded.lastHiddenState;
  const cotangent = feed('R');
  const size = config.hidden_size;
  const layer = parameters.tensor(`${MERGED}.weight`, [size, size]);
  return {
    outputs: {
      last_hidden_state: output,
      pooler_output: encoded.poolerOutput!,
      loss: reduceSum(mul(output, cotangent)),
      [`merged.${MERGED}.weight`]: mergedWeight(
        layer,
        factors(MERGED, { inputs: size, outputs: size, bias: true })!,
      ),
    },
    derivatives: [{ prefix: 'grad.', output, cotangent, inputs: {} }],
  };
}
