/** Parity of CLIP's text encoder with transformers' CLIPTextModel. */

import { dirname, join } from 'node:path';
import type { Value } from '../../graph/index.ts';
import { gather, gradient, mul, reduceSum } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { ClipTextConfig } from '../clip_text.ts';
import { clipText, clipTextEmbeddings, parseClipTextConfig } from '../clip_text.ts';
import type { Checker } from './comparison.ts';
import type { CaseGraph, CaseInputs } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Checks every case below `clip-text/`. */
export const clipTextChecker: Checker = Object.freeze({
  folder: 'clip-text',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('clip-text')) {
      const folder = dirname(name);
      const config = parseClipTextConfig(fixtures.json(`${folder}/config.json`));
      const weights = openWeights([join(fixtures.path, folder, 'model.safetensors')]);
      yield await runModelCase(runtime, fixtures.open(name), weights, (inputs) => build(config, inputs));
    }
  },
} satisfies Checker);

const TOKEN_TABLE = 'text_model.embeddings.token_embedding.weight';
const POSITION_TABLE = 'text_model.embeddings.position_embedding.weight';

function build(config: ClipTextConfig, { parameters, values, feed, has }: CaseInputs): CaseGraph {
  const ids = feed('input_ids');
  const inputsEmbeds = clipTextEmbeddings(config, parameters, ids);
  const attentionMask = has('attention_mask') ? feed('attention_mask') : null;
  const encoded = clipText(config, parameters, { ids, inputsEmbeds, attentionMask });
  const output = encoded.lastHiddenState;
  const outputs: Record<string, Value> = {
    last_hidden_state: output,
    pooler_output: encoded.poolerOutput!,
  };
  encoded.hiddenStates.forEach((state, i) => {
    outputs[`hidden_states.${i}`] = state;
  });
  if (!has('R')) return { outputs };
  const cotangent = feed('R');
  const tokenTable = values.get(TOKEN_TABLE)!;
  const [tokens, positions] = gradient([output], [cotangent], [tokenTable, values.get(POSITION_TABLE)!]);
  outputs['grad.token_embedding_rows'] = gather(tokens!, feed('token_rows'));
  outputs['grad.position_embedding'] = positions!;
  outputs.loss = reduceSum(mul(output, cotangent));
  const inputs = { inputs_embeds: inputsEmbeds };
  return { outputs, derivatives: [{ prefix: 'grad.', output, cotangent, inputs, norms: true }] };
}
