/** Files that browsers run models from: the weights that drawing needs of each model, gathered once into one file. */

import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import type { TextToImageModel } from '../../diffusion/model.ts';
import { openTextToImageModel } from '../../diffusion/model.ts';
import { hashModel } from '../../evaluate/model_hash.ts';
import { UNUSED_WEIGHTS } from '../../models/index.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import type { TensorToWrite } from '../../weights/safetensors_writer.ts';
import { writeSafetensors } from '../../weights/safetensors_writer.ts';
import type { CataloguedModel } from '../catalogue.ts';
import { ApiFault } from '../errors.ts';
import type { BrowserModel } from '../schemas/browser_models.ts';

/** Most bytes of weights that a browser is asked to hold, beside what it computes with them. */
export const MOST_BROWSER_BYTES = 512 * 1024 * 1024;

/** A model for browsers, and its file of weights on this disk. */
export interface StoredBrowserModel {
  readonly shown: BrowserModel;
  readonly file: string;
}

/** Models for browsers, each gathered when it is first asked for. */
export interface BrowserModels {
  /** @throws ApiFault `does_not_fit` for a model that is too large for browsers */
  of(model: CataloguedModel): Promise<StoredBrowserModel>;
}

/**
 * Keeps the files of models for browsers in `folder`.
 * @param version of the server
 */
export function createBrowserModels(folder: string, version: string): BrowserModels {
  const gathered = new Map<string, Promise<StoredBrowserModel>>();
  return Object.freeze({
    of(model: CataloguedModel) {
      const known = gathered.get(model.name) ?? gather(model, folder, version);
      gathered.set(model.name, known);
      known.catch(() => gathered.delete(model.name));
      return known;
    },
  });
}

async function gather(
  { name, folder: modelFolder }: CataloguedModel,
  folder: string,
  version: string,
): Promise<StoredBrowserModel> {
  const model = openTextToImageModel(modelFolder);
  const tensors = weightsForDrawing(model);
  const expected = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (expected > MOST_BROWSER_BYTES) {
    throw new ApiFault(
      'does_not_fit',
      `model ${name}: expected at most ${MOST_BROWSER_BYTES} bytes of weights for a browser, found ${expected}`,
      { field: 'model' },
    );
  }
  makeFolder(folder);
  const draft = path.join(folder, `${name}.draft`);
  writeSafetensors(draft, tensors);
  const bytes = readFileSync(draft);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = path.join(folder, `${sha256}.safetensors`);
  renameSync(draft, file);
  const shown: BrowserModel = {
    name,
    folder: path.basename(model.path),
    modelHash: await hashModel(modelFolder),
    weights: {
      url: `/api/v1/models/${encodeURIComponent(name)}/browser/${path.basename(file)}`,
      bytes: bytes.length,
      sha256,
    },
    configs: {
      textEncoder: model.textEncoder.config,
      unet: model.unet.config,
      vae: model.vae.config,
    },
    scheduler: model.schedulerFile,
    guidanceScale: model.defaultGuidanceScale,
    tokenizer: { ...model.tokenizer.parts, merges: [...model.tokenizer.parts.merges] },
    version,
  };
  return Object.freeze({ shown, file });
}

/**
 * Text encoder, U-Net and decoder under `part.name`. Half-precision weights stay as they are, so that a browser computes with the
 * numbers that the server computes with; the others are written as float32.
 */
function weightsForDrawing(model: TextToImageModel): Map<string, TensorToWrite & { readonly bytes: number }> {
  const tensors = new Map<string, TensorToWrite & { readonly bytes: number }>();
  for (const part of ['textEncoder', 'unet', 'vae'] as const) {
    const { weights } = model[part];
    const unused = part === 'vae' ? UNUSED_WEIGHTS.vaeDecoder : [];
    for (const name of weights.names()) {
      if (unused.some((pattern) => pattern.test(name))) continue;
      const { dtype, shape } = weights.info(name);
      const isHalf = dtype === 'F16';
      const count = shape.reduce((product, size) => product * size, 1);
      tensors.set(`${part}.${name}`, {
        dtype: isHalf ? 'F16' : 'F32',
        shape,
        bytes: count * (isHalf ? 2 : 4),
        data: () => (isHalf ? weights.readBytes(name) : weights.readFloat32(name)),
      });
    }
  }
  return tensors;
}
