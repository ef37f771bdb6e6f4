/** Generations as work of the lane `draw`: one task for all that were claimed together, and what it means for each. */

import path from 'node:path';
import type { z } from 'zod';
import type { ClaimedJob, JobStore } from '../../cluster/job_store.ts';
import type { LaneWork } from '../../cluster/lane.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import type { Catalogue } from '../catalogue.ts';
import type { generateResultSchema, imageSchema } from '../schemas/jobs.ts';
import type { DataFolder } from '../storage/data_folder.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import type { Preview } from '../storage/events.ts';
import type { FileStore } from '../storage/file_store.ts';
import { fileUrl } from './describe.ts';
import { eventWriter } from './event_writer.ts';
import type { DrawEvent, DrawImage, DrawInput, GenerateRequest } from './tasks.ts';

/** What drawing needs of the server. */
export interface DrawParts {
  readonly store: JobStore;
  readonly catalogue: Catalogue;
  readonly data: DataFolder;
  readonly files: FileStore;
  /** File and name of an adapter by its id. */
  readonly adapterOf: (id: string) => Promise<{ readonly name: string; readonly file: string }>;
  readonly onPreview: (job: string, preview: Preview) => void;
  readonly onImage: () => void;
  readonly onFault: (error: unknown) => void;
}

/** Makes the task of generations that have one batch key. */
export async function drawWork(parts: DrawParts, jobs: readonly ClaimedJob[]): Promise<LaneWork> {
  const requests = new Map(jobs.map(({ id, request }) => [id, request as GenerateRequest]));
  const first = requests.get(jobs[0]!.id)!;
  const { name, folder } = parts.catalogue.model(first.model);
  const images = jobs.flatMap(({ id }) => imagesOf(id, requests.get(id)!, parts.data));
  for (const { id } of jobs) makeFolder(parts.data.jobFolder(id));
  const input: DrawInput = {
    model: { name, folder },
    adapter:
      first.adapter === undefined
        ? null
        : { ...(await parts.adapterOf(first.adapter)), scale: first.adapterScale ?? 1 },
    scheduler: first.scheduler,
    karras: first.karras,
    steps: first.steps,
    guidanceScale: first.guidanceScale!,
    width: first.width!,
    height: first.height!,
    images,
  };
  const started = performance.now();
  const writer = eventWriter(parts.store, parts.onFault);
  /** Images that are being kept, by job. */
  const keeping = new Map(jobs.map(({ id }) => [id, [] as Promise<void>[]]));
  const stepsDone = new Int32Array(images.length);
  const shown = (image: DrawImage): z.infer<typeof imageSchema> => ({
    index: image.index,
    prompt: image.prompt,
    seed: image.seed,
    width: input.width,
    height: input.height,
    url: fileUrl(image.job, path.basename(image.file)),
  });
  const onEvent = (event: DrawEvent) => {
    if (event.type === 'step') {
      stepsDone.fill(event.step, event.first, event.first + event.images);
      const touched = images.slice(event.first, event.first + event.images).map(({ job }) => job);
      for (const job of new Set(touched)) {
        writer.progress(job, { task: 'draw', ...progressOf(job, images, stepsDone, event.steps) });
      }
    } else if (event.type === 'preview') {
      const { position, preview, step, steps, png } = event;
      const { job, index } = images[position]!;
      const text = Buffer.from(png).toString('base64');
      parts.onPreview(job, { index, preview, step, steps, png: text });
    } else {
      parts.onImage();
      const image = images[event.position]!;
      // Whoever hears of it may ask any server for it.
      const kept = parts.files
        .keep(folderOfJob(image.job), path.basename(image.file))
        .then(() => writer.event(image.job, 'image', shown(image)));
      keeping.get(image.job)!.push(kept);
      // Whoever waits for the job is told.
      kept.catch(() => {});
    }
  };
  return {
    task: 'draw',
    input,
    onEvent: (event) => onEvent(event as DrawEvent),
    async resultOf(_output, { id }): Promise<z.infer<typeof generateResultSchema>> {
      await Promise.all(keeping.get(id)!);
      await writer.flush();
      const { seed } = requests.get(id)!;
      const own = images.filter(({ job }) => job === id).map(shown);
      return { seed, seconds: (performance.now() - started) / 1000, images: own };
    },
    async leave({ id }) {
      await Promise.allSettled(keeping.get(id)!);
    },
  };
}

function imagesOf(job: string, request: GenerateRequest, data: DataFolder): DrawImage[] {
  const { prompts, imagesPerPrompt, negativePrompt, seed, previews } = request;
  return prompts.flatMap((prompt, p) =>
    Array.from({ length: imagesPerPrompt }, (_, i) => {
      const index = p * imagesPerPrompt + i;
      const file = path.join(data.jobFolder(job), `${String(index).padStart(5, '0')}-${seed + i}.png`);
      return { job, index, prompt, negativePrompt, seed: seed + i, previews, file };
    }),
  );
}

/** Finished steps of a job's images, and steps of all of them. */
function progressOf(job: string, images: readonly DrawImage[], stepsDone: Int32Array, steps: number) {
  let done = 0;
  let all = 0;
  images.forEach((image, position) => {
    if (image.job !== job) return;
    done += stepsDone[position]!;
    all += steps;
  });
  return { step: done, steps: all };
}
