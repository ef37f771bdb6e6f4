/** Gradients of soft tokens and low-rank factors of the text encoder against finite differences. */

import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import type { Adapter } from '../diffusion/adapter.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

const { model, pipeline } = openTinyPipeline('text-gradient');

describe('gradients of the text encoder', () => {
  const prompts = ['a nurse', 'a photo of a pilot', 'the cook'];
  const cotangents = gaussianNoise({ seed: 8, stream: 'cotangent' }, prompts.length * pipeline.contextSize);
  const soft = initialAdapter(model, { kind: 'prompt', tokens: 2 }, 1).softTokens;
  const base: Adapter = {
    ...initialAdapter(model, { kind: 'text-encoder', rank: 2, alpha: 4 }, 1),
    softTokens: soft,
  };
  const tensors = new Map(
    [...trainedTensors(base)].map(([name, values]) => {
      // Up factors start at 0, where the gradient of the down factors vanishes.
      if (!name.endsWith('lora_up')) return [name, values];
      return [name, gaussianNoise({ seed: 2, stream: name }, values.length).map((value) => value * 0.1)];
    }),
  );

  /** sum(context * cotangents) with the tensors moved by `step` along `direction`. */
  async function valueAt(direction: ReadonlyMap<string, Float32Array>, step: number): Promise<number> {
    const moved = new Map(
      [...tensors].map(([name, values]) => {
        const along = direction.get(name);
        return [name, along ? values.map((value, i) => value + step * along[i]!) : values];
      }),
    );
    const context = await pipeline.encodePrompts(prompts, withTensors(base, moved));
    return context.reduce((sum, value, i) => sum + value * cotangents[i]!, 0);
  }

  it('agree with finite differences in soft tokens and factors', async () => {
    const differentiate = new DirectFinetuning(pipeline);
    const gradients = await differentiate.textEncoderGradient(
      prompts,
      cotangents,
      withTensors(base, tensors),
    );
    await differentiate.release();
    expect([...gradients.keys()].sort()).toEqual([...tensors.keys()].sort());
    const layer = 'textEncoder.text_model.encoder.layers';
    const names = [
      'soft_tokens',
      `${layer}.0.self_attn.q_proj.lora_down`,
      `${layer}.0.self_attn.out_proj.lora_up`,
      `${layer}.1.mlp.fc1.lora_down`,
      `${layer}.1.mlp.fc2.lora_up`,
    ];
    const random = new Map(
      [...tensors].map(([name, { length }]) => [name, gaussianNoise({ seed: 5, stream: name }, length)]),
    );
    const directions = [
      ...names.map((name) => [name, new Map([[name, gradients.get(name)!]])] as const),
      ['all tensors', gradients] as const,
      ['a random direction', random] as const,
    ];
    for (const [name, direction] of directions) {
      const norm = Math.sqrt(
        [...direction.values()].flatMap((values) => [...values]).reduce((s, x) => s + x * x, 0),
      );
      const unit = new Map([...direction].map(([key, values]) => [key, values.map((value) => value / norm)]));
      const step = 0.002;
      const quotient = ((await valueAt(unit, step)) - (await valueAt(unit, -step))) / (2 * step);
      const expected = [...unit].reduce(
        (sum, [key, values]) => sum + values.reduce((s, value, i) => s + value * gradients.get(key)![i]!, 0),
        0,
      );
      expect(norm, name).toBeGreaterThan(0.01);
      expect(Math.abs(quotient - expected), name).toBeLessThan(0.01 * Math.abs(expected) + 0.02);
    }
  });
});
