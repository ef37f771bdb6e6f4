/** Parity of CLIP's image encoder with transformers' CLIPVisionModelWithProjection. */

import { dirname, join } from 'node:path';
import { constant, cosineSimilarity } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { ClipVisionConfig } from '../clip_vision.ts';
import { clipVision, parseClipVisionConfig } from '../clip_vision.ts';
import type { Checker } from './comparison.ts';
import type { CaseGraph, CaseInputs } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Checks every case below `clip-vision/`. */
export const clipVisionChecker: Checker = Object.freeze({
  folder: 'clip-vision',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('clip-vision')) {
      const folder = dirname(name);
      const config = parseClipVisionConfig(fixtures.json(`${folder}/config.json`));
      const weights = openWeights([join(fixtures.path, folder, 'model.safetensors')]);
      yield await runModelCase(runtime, fixtures.open(name), weights, (inputs) => build(config, inputs));
    }
  },
} satisfies Checker);

function build(config: ClipVisionConfig, { parameters, feed }: CaseInputs): CaseGraph {
  const [pixels, cotangent] = [feed('pixel_values'), feed('R')];
  const { imageEmbeds, lastHiddenState, hiddenStates } = clipVision(config, parameters, pixels);
  const cosine = cosineSimilarity(imageEmbeds, cotangent);
  const inputs = { pixel_values: pixels };
  const [batch] = cosine.shape as [number];
  const ones = constant(new Float32Array(batch).fill(1), [batch]);
  return {
    outputs: {
      image_embeds: imageEmbeds,
      last_hidden_state: lastHiddenState,
      'hidden_states.0_embeddings_after_pre_layrnorm': hiddenStates[0]!,
      cosine_to_R: cosine,
    },
    derivatives: [
      { prefix: 'grad.', output: imageEmbeds, cotangent, inputs, norms: true },
      { prefix: 'grad_of_cosine.', output: cosine, cotangent: ones, inputs },
    ],
  };
}
