/** A pipeline on the tiny model for the tests of one file, which is closed and removed after them. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { TextToImageModel } from '../src/diffusion/model.ts';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { TextToImagePipeline } from '../src/diffusion/pipeline.ts';
import { Runtime } from '../src/graph/index.ts';
import { writeTinyModel } from './tiny_model.ts';

/** What the tests of a file share. */
export interface TinyPipeline {
  /** A folder of their own; the model is in `model` in it. */
  readonly folder: string;
  readonly model: TextToImageModel;
  readonly runtime: Runtime;
  /** Draws two images at once. */
  readonly pipeline: TextToImagePipeline;
}

/**
 * Writes and opens the tiny model on one thread; to be called once at the top of a test file.
 * @param name beginning of the folder's name
 */
export function openTinyPipeline(name: string): TinyPipeline {
  const folder = mkdtempSync(path.join(tmpdir(), `${name}-`));
  const modelFolder = path.join(folder, 'model');
  writeTinyModel(modelFolder);
  const model = openTextToImageModel(modelFolder);
  const runtime = new Runtime({ threads: 1 });
  const pipeline = new TextToImagePipeline(runtime, model, { prompts: 2, denoiser: 2, decoder: 2 });
  afterAll(async () => {
    await runtime.close();
    rmSync(folder, { recursive: true });
  });
  return { folder, model, runtime, pipeline };
}
