/** The server's task `draw`: images of one batch, each written to its file, with previews on the way. */

import type { TaskContext } from '../../cluster/worker_process.ts';
import { NO_ADAPTER } from '../../diffusion/adapter.ts';
import { readAdapter } from '../../diffusion/adapter_file.ts';
import { scaledAdapter } from '../../diffusion/adapter_scale.ts';
import { drawImages } from '../../diffusion/draw.ts';
import { encodePng } from '../../diffusion/image_metadata.ts';
import type { TextToImageModel } from '../../diffusion/model.ts';
import { openTextToImageModel } from '../../diffusion/model.ts';
import { drawingConcurrency, TextToImagePipeline } from '../../diffusion/pipeline.ts';
import { createPlan } from '../../diffusion/schedulers/create_plan.ts';
import { parseSchedulerConfig } from '../../diffusion/schedulers/scheduler_config.ts';
import type { Runtime } from '../../graph/index.ts';
import type { DrawEvent, DrawInput } from '../../server/jobs/tasks.ts';
import { writeFileAtomically, writeFully } from '../../weights/atomic_file.ts';
import { imageDescriber } from '../draw_images.ts';
import { hashModel } from '../models.ts';

/** Images that are computed at once; smaller batches run on graphs of their own size. */
const LARGEST_BATCH = 8;
/** Models, with batch sizes, that stay compiled. */
const MOST_PIPELINES = 4;

/** Draws batches; compiled graphs stay from one to the next. */
export interface Drawing {
  draw(input: DrawInput, context: TaskContext<DrawEvent>): Promise<null>;
  /** Gives every compiled graph back. */
  release(): Promise<void>;
}

/** Makes the task on a runtime that is started when first needed. */
export function createDrawing(openRuntime: () => Promise<Runtime>): Drawing {
  const models = new Map<string, TextToImageModel>();
  const pipelines = new Map<string, TextToImagePipeline>();
  const hashes = new Map<string, Promise<string>>();
  const hashOf = (folder: string): Promise<string> => {
    const hash = hashes.get(folder) ?? hashModel(folder);
    hashes.set(folder, hash);
    return hash;
  };
  const pipelineFor = async (folder: string, count: number): Promise<TextToImagePipeline> => {
    const runtime = await openRuntime();
    const model = models.get(folder) ?? openTextToImageModel(folder);
    models.set(folder, model);
    const together = Math.ceil(count / drawingConcurrency(runtime, model));
    const batch = Math.min(LARGEST_BATCH, 2 ** Math.ceil(Math.log2(together)));
    const key = `${batch} ${folder}`;
    const known = pipelines.get(key);
    pipelines.delete(key);
    const pipeline = known ?? new TextToImagePipeline(runtime, model, { denoiser: batch, decoder: batch });
    pipelines.set(key, pipeline);
    for (const [oldest, old] of pipelines) {
      if (pipelines.size <= MOST_PIPELINES) break;
      pipelines.delete(oldest);
      await old.release();
    }
    return pipeline;
  };
  const release = async () => {
    const all = [...pipelines.values()];
    pipelines.clear();
    for (const pipeline of all) await pipeline.release();
  };
  return {
    async draw(input, context) {
      const pipeline = await pipelineFor(input.model.folder, input.images.length);
      try {
        await drawBatch(pipeline, input, await hashOf(input.model.folder), context);
        return null;
      } catch (error) {
        // What failed may have left memory behind; the next task starts afresh.
        if (!context.signal.aborted) await release().catch(() => {});
        throw error;
      }
    },
    release,
  };
}

async function drawBatch(
  pipeline: TextToImagePipeline,
  input: DrawInput,
  modelHash: string,
  { signal, emit }: TaskContext<DrawEvent>,
): Promise<void> {
  const { model } = pipeline;
  const { images, width, height } = input;
  const own = parseSchedulerConfig(model.schedulerFile, {
    scheduler: input.scheduler,
  });
  const scheduler = input.karras ? { ...own, useKarrasSigmas: true } : own;
  const plan = createPlan({ scheduler, steps: input.steps });
  const adapter =
    input.adapter === null
      ? NO_ADAPTER
      : scaledAdapter(readAdapter(input.adapter.file, model), input.adapter.scale);
  const describe = await imageDescriber({
    scheduler,
    plan,
    guidanceScale: input.guidanceScale,
    width,
    height,
    model: { name: input.model.name, path: model.path },
    modelHash,
    adapter: input.adapter,
  });
  const { guidanceScale } = input;
  await drawImages(
    pipeline,
    images,
    { plan, guidanceScale, width, height, adapter, signal },
    {
      onStep: (event) => emit({ type: 'step', ...event }),
      async onPreview({ image, ...event }) {
        emit({ type: 'preview', ...event, png: await encodePng(image.pixels, width, height) });
      },
      async onImage(position, { pixels }) {
        const image = images[position]!;
        const png = await encodePng(pixels, width, height, describe(image));
        writeFileAtomically(image.file, (descriptor) => writeFully(descriptor, png));
        emit({ type: 'image', position });
      },
    },
  );
}
