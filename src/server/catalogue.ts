/** What the server can be asked to use: models by name, with what fits them, and prompt sets. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { openTextToImageModel } from '../diffusion/model.ts';
import type { AttributeHead } from '../faces/index.ts';
import { loadAttributeModel } from '../faces/index.ts';
import { openStoredModel } from '../weights/stored_model.ts';
import { ApiFault } from './errors.ts';
import { licencesOf } from './licences.ts';
import type { modelSchema } from './schemas/resources.ts';

/** A model with what the API does not show of it. */
export interface CataloguedModel extends z.infer<typeof modelSchema> {
  readonly folder: string;
  /** Tokens of a text, without start and end. */
  countTokens(text: string): number;
}

/** Prompt sets by name. */
export interface PromptSets {
  readonly names: readonly string[];
  /** Prompts of one part of a set. */
  promptsOf(name: string, split: 'train' | 'test'): readonly string[];
}

/** Models by name. */
export interface Catalogue {
  readonly models: readonly CataloguedModel[];
  /**
   * The model that a request names, the first when it names none.
   * @throws ApiFault `model_not_found`
   */
  model(name: string | null | undefined): CataloguedModel;
}

/** Components whose trained numbers are counted. */
const COMPONENTS = ['unet', 'vae', 'text_encoder'];
const CLASSIFIER = 'classifier';
/** Folders beside a model's components. */
const FOR_FINETUNING = ['face_detector', CLASSIFIER];
const FOR_EVALUATION = ['face_detector', 'classifier_evaluation'];

/**
 * Opens the folders of the server's models once.
 * @param folders by name; the first is the default
 * @throws Error naming the model whose folder is missing or wrong
 */
export function openCatalogue(folders: ReadonlyMap<string, string>): Catalogue {
  const models = [...folders].map(([name, folder], i) => describeModel(name, folder, i === 0));
  if (models.length === 0) throw new Error('models: expected at least one, received none');
  return Object.freeze({
    models,
    model(name: string | null | undefined) {
      const found = name == null ? models[0] : models.find((model) => model.name === name);
      if (found !== undefined) return found;
      const known = models.map((model) => model.name).join(', ');
      throw new ApiFault('model_not_found', `model: expected ${known}, received ${name}`, { field: 'model' });
    },
  });
}

function describeModel(name: string, folder: string, isDefault: boolean): CataloguedModel {
  try {
    const { defaultSide, downscale, defaultGuidanceScale, tokenizer } = openTextToImageModel(folder);
    const directory = openStoredModel(folder);
    const has = (names: readonly string[]) => names.every((part) => existsSync(path.join(folder, part)));
    const heads: readonly AttributeHead[] = has([CLASSIFIER])
      ? loadAttributeModel(path.join(folder, CLASSIFIER)).attributes
      : [];
    return Object.freeze({
      name,
      isDefault,
      folder,
      countTokens: (text: string) => tokenizer.encodeText(text).length,
      pipeline: directory.pipelineClass,
      side: defaultSide,
      sideMultiple: downscale,
      guidanceScale: defaultGuidanceScale,
      parameters: COMPONENTS.reduce((sum, part) => sum + countNumbers(directory.openModel(part).weights), 0),
      attributes: heads.map(({ name: attribute, classes }) => ({ name: attribute, classes: [...classes] })),
      canFinetune: has(FOR_FINETUNING),
      canEvaluate: has(FOR_EVALUATION),
      licences: licencesOf(folder).map((licence) => ({ ...licence })),
    });
  } catch (error) {
    throw new Error(`model ${name}: ${(error as Error).message}`, { cause: error });
  }
}

function countNumbers(weights: {
  names(): readonly string[];
  info(name: string): { shape: readonly number[] };
}) {
  return weights
    .names()
    .reduce((sum, name) => sum + weights.info(name).shape.reduce((count, size) => count * size, 1), 0);
}

/** A model as the API shows it. */
export function shownModel({
  folder: _folder,
  countTokens: _count,
  ...model
}: CataloguedModel): z.infer<typeof modelSchema> {
  return model;
}
