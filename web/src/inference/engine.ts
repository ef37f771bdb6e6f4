/** One model, ready to draw on this device, and the drawing of requests with it. */

import type { Adapter } from '../../../src/diffusion/adapter.ts';
import { NO_ADAPTER } from '../../../src/diffusion/adapter.ts';
import { scaledAdapter } from '../../../src/diffusion/adapter_scale.ts';
import type { TextToImageModel } from '../../../src/diffusion/assemble_model.ts';
import { drawImages } from '../../../src/diffusion/draw.ts';
import { TextToImagePipeline } from '../../../src/diffusion/pipeline.ts';
import { createPlan } from '../../../src/diffusion/schedulers/create_plan.ts';
import { imageDescription } from '../../../src/server/image_description.ts';
import type { BrowserModel } from '../api/types.ts';
import { fetchBytes } from './fetch_bytes.ts';
import { hasGpu, loadOrt } from './load_ort.ts';
import type { DeviceAdapter, DeviceRequest, FromWorker, Processor } from './messages.ts';
import { openAdapter, openModel, WEIGHTS_PATH } from './open_model.ts';
import { encodePng } from './png.ts';
import { WebRuntime } from './web_runtime.ts';

/**
 * One image at a time: seen once each on Chromium's WebGPU in software, a batch of 4 drew Portraits with bytes of pixels up to 19
 * off the server's, single images within 1. Why is not known.
 */
const BATCHES = Object.freeze({ prompts: 1, denoiser: 1, decoder: 1 });

/** A model on this device. */
export interface Engine {
  readonly sent: BrowserModel;
  readonly model: TextToImageModel;
  readonly processor: Processor;
  readonly pipeline: TextToImagePipeline<WebRuntime>;
}

/** An adapter and what the images say of it; `null` for none. */
export interface FetchedAdapter {
  readonly named: DeviceAdapter | null;
  readonly adapter: Adapter;
}

/**
 * Fetches a model's weights and makes it ready.
 * @param instead why it shall run in WebAssembly though this device may have a graphics processor; `null` for the best that
 * this browser has
 */
export async function openEngine(
  sent: BrowserModel,
  tell: (message: FromWorker) => void,
  instead: string | null = null,
): Promise<Engine> {
  const { url, bytes } = sent.weights;
  const weights = await fetchBytes(url, bytes, (loaded) => tell({ kind: 'loading', loaded, bytes }));
  const loaded = await loadOrt(instead === null && (await hasGpu()) ? 'webgpu' : 'wasm');
  const model = openModel(sent, weights);
  const runtime = new WebRuntime(loaded.ort, loaded.processor, { path: WEIGHTS_PATH, bytes: weights });
  const pipeline = new TextToImagePipeline(runtime, model, BATCHES);
  tell({ kind: 'ready', processor: loaded.processor, threads: loaded.threads, instead });
  return { sent, model, processor: loaded.processor, pipeline };
}

/**
 * Fetches an adapter for a model.
 * @throws Error when the server does not give it out, or it does not fit
 */
export async function fetchAdapter({ model }: Engine, named: DeviceAdapter | null): Promise<FetchedAdapter> {
  if (named === null) return { named, adapter: NO_ADAPTER };
  return { named, adapter: openAdapter(named.name, await fetchBytes(named.url), model) };
}

/**
 * Draws a request's images: as the server draws them, within the rounding of this device.
 * @throws the signal's reason when it is raised; Error when the adapter cannot be scaled
 */
export async function drawWith(
  { sent, model, pipeline }: Engine,
  id: string,
  request: DeviceRequest,
  { named, adapter: fetched }: FetchedAdapter,
  signal: AbortSignal,
  tell: (message: FromWorker) => void,
): Promise<void> {
  const { prompt, negativePrompt, previews, images: count, seed, steps, adapterScale } = request;
  const adapter = scaledAdapter(fetched, adapterScale);
  const images = Array.from({ length: count }, (_, i) => ({
    prompt,
    negativePrompt,
    previews,
    seed: seed + i,
  }));
  const [width, height] = [model.defaultSide, model.defaultSide];
  const guidanceScale = request.guidanceScale ?? model.defaultGuidanceScale;
  const plan = createPlan({ scheduler: model.scheduler, steps });
  const describe = imageDescription({
    scheduler: model.scheduler,
    steps,
    guidanceScale,
    width,
    height,
    model: { name: sent.name, folder: sent.folder, sha256: sent.modelHash },
    adapter: named && { name: named.name, sha256: named.sha256, scale: adapterScale },
    version: sent.version,
  });
  const all = count * plan.steps.length;
  const started = performance.now();
  await drawImages(
    pipeline,
    images,
    { plan, guidanceScale, width, height, adapter, signal },
    {
      onStep({ first, images: together, step }) {
        const done = first * plan.steps.length + step * together;
        const secondsLeft = ((performance.now() - started) / 1000 / done) * (all - done);
        tell({ kind: 'progress', id, step: done, steps: all, secondsLeft });
      },
      async onPreview({ position, step, steps: planned, image }) {
        const png = await encodePng(image);
        tell({ kind: 'preview', id, index: position, step, steps: planned, png });
      },
      async onImage(position, image) {
        const drawn = images[position]!;
        const png = await encodePng(image, describe(drawn));
        tell({ kind: 'image', id, index: position, seed: drawn.seed, width, height, png });
      },
    },
  );
}
