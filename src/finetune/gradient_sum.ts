/** The gradient of the trained tensors, added up over the parts of a batch. */

import type { Adapter } from '../diffusion/adapter.ts';
import { adapterLayout, changesPart } from '../diffusion/adapter.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { BackwardResult, DirectFinetuning, TimestepScale } from './direct_finetuning.ts';
import { accumulate } from './direct_finetuning.ts';
import type { DrawnLatents } from './drawing.ts';
import type { GradientSettings } from './settings.ts';
import type { TimestepDraw } from './timestep_choice.ts';
import { chooseRoute } from './timestep_choice.ts';

/** What all parts of a batch have in common. */
export interface GradientSumChoice {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** The adapter with which the images were drawn. */
  readonly adapter: Adapter;
  readonly gradient: GradientSettings;
  /** Names the random subset of timesteps. */
  readonly draw: TimestepDraw;
  readonly signal?: AbortSignal | undefined;
}

/** Adds up gradients part by part; the text encoder is differentiated once, at the end. */
export class GradientSum {
  readonly #pipeline: TextToImagePipeline;
  readonly #differentiate: DirectFinetuning;
  readonly #choice: GradientSumChoice;
  readonly #trainsText: boolean;
  /** dL/d condition of the prompt, then of the negative prompt, summed over images. */
  readonly #conditions: Float32Array;
  readonly #unet = new Map<string, Float32Array>();

  /** @param differentiate compiled products of the same pipeline */
  constructor(pipeline: TextToImagePipeline, differentiate: DirectFinetuning, choice: GradientSumChoice) {
    this.#pipeline = pipeline;
    this.#differentiate = differentiate;
    this.#choice = choice;
    this.#trainsText = changesPart(adapterLayout(choice.adapter), 'textEncoder');
    const texts = choice.gradient.branches === 'both' ? 2 : 1;
    this.#conditions = new Float32Array(texts * pipeline.contextSize);
  }

  /**
   * Adds the gradient of one part.
   * @param imageGradient dL/dx of its images [count, 3, H, W]
   * @returns the scale of its gradient by timestep
   */
  async add(drawn: DrawnLatents, imageGradient: Float32Array): Promise<readonly TimestepScale[]> {
    const { gradient, adapter, draw, signal } = this.#choice;
    const backward = await this.#differentiate.backward({
      ...drawn,
      imageGradient,
      adapter,
      route: chooseRoute(drawn.plan, gradient.mode, gradient.timesteps, draw),
      branches: gradient.branches,
      conditions: this.#trainsText,
      ...(signal ? { signal } : {}),
    });
    for (const [name, values] of backward.unet) accumulate(this.#unet, name, values);
    if (this.#trainsText) this.#addConditions(backward);
    return backward.scales;
  }

  #addConditions({ condition, unconditional }: BackwardResult): void {
    const size = this.#pipeline.contextSize;
    sumItems(this.#conditions.subarray(0, size), condition);
    if (this.#conditions.length > size) sumItems(this.#conditions.subarray(size), unconditional);
  }

  /** Gradients of all trained tensors by graph input name. */
  async finish(): Promise<Map<string, Float32Array>> {
    const { prompt, negativePrompt, adapter, gradient } = this.#choice;
    const texts = gradient.branches === 'both' ? [prompt, negativePrompt] : [prompt];
    const gradients = this.#trainsText
      ? await this.#differentiate.textEncoderGradient(texts, this.#conditions, adapter)
      : new Map<string, Float32Array>();
    for (const [name, values] of this.#unet) gradients.set(name, values);
    return gradients;
  }
}

/** Adds up items of target's length. */
function sumItems(target: Float32Array, items: Float32Array): void {
  for (let i = 0; i < items.length; i++) target[i % target.length]! += items[i]!;
}
