/** Validations of a run: the best one, the stop rule, the guard, micro-batches, samples and events. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { openEventFile } from './event_file.ts';
import type { RunGuard } from './guard.ts';
import type { ImageObjective } from './objective.ts';
import { finetune } from './run.ts';
import type { FinetuneProgress, RunSnapshot } from './settings.ts';
import { readEvents } from './testing/read_events.ts';
import { brightness, mean, settings } from './testing/tiny_run.ts';
import { trainedTensors } from './trained_part.ts';

const { folder, pipeline } = openTinyPipeline('validation');

/** Counts two classes: images darker and brighter than their originals; the target is even. */
const counting: ImageObjective = {
  ...brightness,
  measuring() {
    const counts = [0, 0];
    return {
      async add({ images, originals, count }) {
        const length = images.length / count;
        for (let i = 0; i < count; i++) {
          const [now, before] = [images, originals].map((all) =>
            mean(all.subarray(i * length, (i + 1) * length)),
          );
          counts[now! < before! - 5e-3 ? 1 : 0]!++;
        }
      },
      finish: () => ({
        metrics: { dark: counts[1]! / (counts[0]! + counts[1]!) },
        counts: [{ name: '', counts, shares: [0.5, 0.5] }],
      }),
    };
  },
};

describe('validations', () => {
  const validation = { ...settings.validation, every: 1, imagesPerPrompt: 4 };

  it('keep the weights of the best one, in memory, in their folder and over an interruption', async () => {
    const best = { metric: 'brightness', goal: 'largest' } as const;
    const choices = {
      validation: { ...validation, best },
      iterations: 4,
      directory: path.join(folder, 'best'),
    };
    const all = { ...settings, ...choices };
    // Training makes images darker: the first validation is the brightest.
    const result = await finetune(pipeline, brightness, all);
    expect(result.best).toMatchObject({ iteration: 1, metric: 'brightness' });
    const first = await finetune(pipeline, brightness, {
      ...all,
      directory: path.join(folder, 'first'),
      iterations: 1,
    });
    expect(trainedTensors(result.best!.adapter)).toEqual(trainedTensors(first.adapter));
    const again = await finetune(pipeline, brightness, { ...all, iterations: 5 });
    expect(again.iterations).toBe(5);
    expect(again.best).toEqual(result.best);
    // How often there is a validation doesn't change what it measures.
    const rarer = { ...all, iterations: 6, validation: { ...choices.validation, every: 6 } };
    expect((await finetune(pipeline, brightness, rarer)).best).toEqual(result.best);
    const smallest = { ...validation, best: { ...best, goal: 'smallest' as const } };
    const other = { ...all, validation: smallest, directory: path.join(folder, 'smallest') };
    expect((await finetune(pipeline, brightness, other)).best!.iteration).toBe(4);
    const unknown = { ...validation, best: { ...best, metric: 'bias' } };
    await expect(
      finetune(pipeline, brightness, {
        ...other,
        validation: unknown,
        directory: path.join(folder, 'unknown'),
      }),
    ).rejects.toThrow(/validation\.best\.metric: expected one of brightness, original, received bias/);
  });

  it('leave prompts out for which a number is none, and never keep one that is none or infinite', async () => {
    const lengths: ImageObjective = {
      ...brightness,
      measure: async ({ prompt }) => ({
        faceless: prompt === 'a cook' ? Number.NaN : prompt.length,
        none: Number.NaN,
        endless: Number.NEGATIVE_INFINITY,
      }),
    };
    const prompts = ['a cook', 'a nurse', 'a pilot in a plane'];
    const found = async (metric: string) => {
      const best = { metric, goal: 'smallest' } as const;
      const directory = path.join(folder, metric);
      const all = { ...settings, validation: { ...validation, prompts, best }, iterations: 1, directory };
      return (await finetune(pipeline, lengths, all)).best;
    };
    expect(await found('faceless')).toMatchObject({ value: (7 + 18) / 2 });
    expect(await found('none')).toBeNull();
    expect(await found('endless')).toBeNull();
  });

  it('end a run whose distance to the target is small enough, for good', async () => {
    const directory = path.join(folder, 'ended');
    const generous = { ...settings, validation, stop: { distance: 1 }, directory };
    const snapshots: RunSnapshot[] = [];
    const result = await finetune(pipeline, counting, generous, {
      onSnapshot: (each) => void snapshots.push(each),
    });
    expect(result).toMatchObject({
      iterations: 1,
      stopped: expect.stringMatching(/distance to the target at most/),
    });
    expect(snapshots.at(-1)).toMatchObject({ iteration: 1, stopped: result.stopped, secondsLeft: 0 });
    const again = await finetune(pipeline, counting, generous);
    expect([again.iterations, again.stopped]).toEqual([1, result.stopped]);
    expect(again.adapter).toEqual(result.adapter);
    // A stricter rule goes on.
    const strict = await finetune(pipeline, counting, { ...generous, stop: { distance: 0 }, iterations: 3 });
    expect([strict.iterations, strict.stopped]).toEqual([3, null]);
  });

  it('warn of what the guard sees, and record it', async () => {
    const guard: RunGuard = {
      begin: () => {
        let images = 0;
        return {
          add: async ({ count }) => {
            images += count;
          },
          finish: () => ({ 'guard images': images }),
        };
      },
      warnings: (measured) => [`${measured['guard images']} images look strange`],
      release: async () => {},
    };
    const all = { ...settings, validation, iterations: 1, directory: path.join(folder, 'guarded') };
    const events: FinetuneProgress[] = [];
    await finetune(pipeline, brightness, all, { onProgress: (event) => events.push(event) }, { guard });
    expect(events[0]!.validation).toMatchObject({ 'guard images': 4 });
    expect(events[0]!.warnings).toEqual(['4 images look strange']);
    const log = readFileSync(path.join(folder, 'guarded', 'log.jsonl'), 'utf8');
    expect(JSON.parse(log)).toMatchObject({ warnings: ['4 images look strange'] });
  });

  it('give equal numbers in micro-batches', async () => {
    const measure = async (name: string, microBatch?: number) => {
      const all = {
        ...settings,
        validation,
        iterations: 1,
        imagesPerPrompt: 1,
        directory: path.join(folder, name),
      };
      const events: FinetuneProgress[] = [];
      const onProgress = (event: FinetuneProgress) => events.push(event);
      await finetune(pipeline, counting, { ...all, ...(microBatch ? { microBatch } : {}) }, { onProgress });
      return events[0]!.validation;
    };
    expect(await measure('micro', 1)).toEqual(await measure('macro'));
  });

  it('leave samples and TensorBoard events of every iteration, also after an interruption', async () => {
    const directory = path.join(folder, 'events');
    const all = { ...settings, validation: { ...validation, every: 2 }, directory };
    const controller = new AbortController();
    const onProgress = ({ iteration }: FinetuneProgress) => {
      if (iteration === 3) controller.abort(new Error('stopped'));
    };
    const { signal } = controller;
    await expect(finetune(pipeline, brightness, all, { onProgress }, { signal })).rejects.toThrow('stopped');
    // As if the process had been killed after it wrote an event past the checkpoint.
    openEventFile(path.join(directory, 'tensorboard'), 3).append({ wallTime: 1, step: 4, scalars: { x: 1 } });
    await finetune(pipeline, brightness, all);
    const events = readEvents(path.join(directory, 'tensorboard', 'events.out.tfevents.0.evenhand'));
    expect(events.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(events[4]!.tags).toEqual(
      expect.arrayContaining(['train/loss', 'validation/brightness', 'validation/samples']),
    );
    expect(events[5]!.tags).not.toContain('validation/samples');
    expect(readdirSync(path.join(directory, 'samples')).sort()).toEqual([
      '00000002.png',
      '00000004.png',
      '00000006.png',
    ]);
  });

  it('show the samples of earlier sessions until there are newer ones, and none past the checkpoint', async () => {
    const directory = path.join(folder, 'samples');
    const all = { ...settings, directory, checkpointEvery: 1 };
    await finetune(pipeline, brightness, { ...all, validation: { ...validation, every: 2 }, iterations: 2 });
    writeFileSync(path.join(directory, 'samples', '00000009.png'), 'past the checkpoint');
    const seen: (string | null)[] = [];
    const onSnapshot = ({ samples }: RunSnapshot) => void seen.push(samples && path.basename(samples));
    const later = { ...all, validation: { ...validation, every: 4 }, iterations: 4 };
    await finetune(pipeline, brightness, later, { onSnapshot });
    expect(seen).toEqual(['00000002.png', '00000004.png']);
    expect(readdirSync(path.join(directory, 'samples'))).toEqual(['00000002.png', '00000004.png']);
  });
});
