/** Text-to-image models as they are stored: a diffusers directory or a single-file checkpoint, behind one interface. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type DiffusersDirectory, openDiffusersDirectory } from './diffusers_directory.ts';
import type { JsonObject } from './json_file.ts';
import { openLdmCheckpoint } from './ldm/checkpoint.ts';
import type { PredictionType } from './ldm/prediction.ts';
import type { WeightSource } from './weight_source.ts';

/** The class that saved a component, as `model_index.json` names it. */
export interface ComponentClass {
  /** Python library, such as `diffusers` or `transformers`. */
  readonly library: string;
  /** Class, such as `UNet2DConditionModel`. */
  readonly className: string;
}

/** A component with weights: U-Net, VAE, text encoder. */
export interface ModelComponent {
  /** Folder, or the checkpoint that the component is part of. */
  readonly path: string;
  /** Content of `config.json`. */
  readonly config: JsonObject;
  /** Weights under the names that diffusers and transformers give them. */
  readonly weights: WeightSource;
}

/** Where a tokenizer comes from: a folder, or CLIP's own vocabulary padded with a token (null: the end token). */
export type StoredTokenizer = { readonly folder: string } | { readonly padToken: string | null };

/** An opened model; components are opened on demand. */
export interface StoredModel {
  /** Absolute path of the directory or file. */
  readonly path: string;
  /** Pipeline class, such as `StableDiffusionPipeline`. */
  readonly pipelineClass: string;
  /** Components by name, without those that the pipeline leaves empty (such as a null safety checker). */
  readonly components: ReadonlyMap<string, ComponentClass>;
  /** The remaining fields of `model_index.json`, such as `requires_safety_checker`. */
  readonly settings: JsonObject;
  readonly tokenizer: StoredTokenizer;
  /** Whether a component has weights: networks have, a tokenizer and a scheduler have none. */
  hasWeights(component: string): boolean;
  /** Config and weights of a component. @throws when folder, config or weights are missing or unusable */
  openModel(component: string): ModelComponent;
  /** Content of `scheduler/scheduler_config.json`. @throws when it is missing */
  schedulerConfig(): JsonObject;
}

/** How to read a stored model. */
export interface StoredModelOptions {
  /** Weight files to take where there are several: `fp16` for `model.fp16.safetensors`; the plain ones first if not given. */
  readonly variant?: string | undefined;
  /** What the U-Net predicts, in place of what the files say. */
  readonly prediction?: PredictionType | undefined;
}

/** Endings of pickled checkpoints, which can run code when loaded and are not read. */
const PICKLED = /\.(ckpt|bin|pt|pth)$/;

/**
 * Opens a model in either layout.
 * @param path a directory with `model_index.json`, or a `.safetensors` file
 * @throws Error saying what was expected and found, with advice for pickled checkpoints
 */
export function openStoredModel(path: string, options: StoredModelOptions = {}): StoredModel {
  const { variant, prediction } = options;
  if (PICKLED.test(path) && !isDirectory(path)) {
    throw new Error(
      `${path}: is a pickled checkpoint, which is not read because loading it can run code; convert it to safetensors ` +
        '(AUTOMATIC1111: Checkpoint Merger, "No interpolation", safetensors; diffusers: from_single_file, save_pretrained)',
    );
  }
  if (path.endsWith('.safetensors') && !isDirectory(path)) {
    if (variant !== undefined) {
      throw new Error(
        `${path}: expected no variant (${variant}) of a single file, which holds one set of weights`,
      );
    }
    return openLdmCheckpoint(path, prediction);
  }
  return fromDirectory(openDiffusersDirectory(path), options);
}

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function fromDirectory(directory: DiffusersDirectory, options: StoredModelOptions): StoredModel {
  const { variant, prediction } = options;
  const { path, pipelineClass, components, settings } = directory;
  const having =
    variant === undefined
      ? new Set<string>()
      : new Set([...components.keys()].filter((name) => hasVariant(resolve(path, name), variant)));
  if (variant !== undefined && having.size === 0) {
    throw new Error(`${path}: expected weights of the variant ${variant} in some component, found none`);
  }
  return Object.freeze({
    path,
    pipelineClass,
    components,
    settings,
    tokenizer: { folder: resolve(path, 'tokenizer') },
    hasWeights: (component: string) => {
      const files = readdirSync(directory.folderOf(component));
      return files.some(
        (name) => name === 'config.json' || /\.(safetensors|bin)(\.index.*\.json)?$/.test(name),
      );
    },
    // As in diffusers, components without the variant fall back to their plain weights.
    openModel: (component: string) =>
      directory.openModel(component, variant !== undefined && having.has(component) ? { variant } : {}),
    schedulerConfig: () => {
      const config = directory.schedulerConfig();
      return prediction === undefined ? config : { ...config, prediction_type: prediction };
    },
  });
}

function hasVariant(folder: string, variant: string): boolean {
  if (!isDirectory(folder)) return false;
  return readdirSync(folder).some(
    (name) => name.includes(`.${variant}.`) && /\.(safetensors|json)$/.test(name),
  );
}
