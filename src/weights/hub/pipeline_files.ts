/** Which files of a model's repository are needed: those that a text-to-image model is opened from, and nothing else. */

import type { JsonObject } from '../json_file.ts';
import { PICKLED_WEIGHTS, WEIGHT_STEMS } from '../weight_files.ts';

/** The file that names a pipeline's components. */
export const INDEX_FILE = 'model_index.json';

/** Components with weights, and those of configuration alone. */
const NETWORKS = ['unet', 'vae', 'text_encoder'] as const;
const REQUIRED: Readonly<Record<string, readonly (readonly string[])[]>> = {
  unet: [['config.json']],
  vae: [['config.json']],
  text_encoder: [['config.json']],
  scheduler: [['scheduler_config.json']],
  tokenizer: [['vocab.json', 'merges.txt'], ['tokenizer.json']],
};
/** Files that a tokenizer may have besides. */
const TOKENIZER_FILES =
  /^(vocab\.json|merges\.txt|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json)$/;

/** Models that Evenhand looks for beside the components: face models and encoders. */
const COMPANIONS =
  /^(face_detector|(face_embedder|classifier|clip|dino)(_evaluation)?)\/[^/]+\.(json|txt|safetensors)$/;
/** Banks of real faces beside them, by their file names. */
export const FACE_BANK = /^face_bank(_evaluation)?\.safetensors$/;

const SHARD = /-(\d{5})-of-(\d{5})/;

/** What is needed of a repository's files. */
export interface NeededFiles {
  /** Paths, small files before weights. */
  readonly files: readonly string[];
  /** What is not there, in words. */
  readonly missing: readonly string[];
}

/**
 * Says why a pipeline cannot be opened, whatever its files; null for one of Stable Diffusion 1 or 2.
 * @param index content of `model_index.json`
 */
export function unsupportedPipeline(index: JsonObject): string | null {
  const isUsed = (name: string) => Array.isArray(index[name]) && index[name][0] !== null;
  const lacks = Object.keys(REQUIRED).filter((name) => !isUsed(name));
  const others = ['text_encoder_2', 'transformer', 'prior'].filter(isUsed);
  if (lacks.length === 0 && others.length === 0) return null;
  const differs = [
    ...(lacks.length > 0 ? [`lacks ${lacks.join(', ')}`] : []),
    ...(others.length > 0 ? [`has ${others.join(', ')}`] : []),
  ];
  return (
    `expected a pipeline of Stable Diffusion 1 or 2 (${Object.keys(REQUIRED).join(', ')}), ` +
    `received a ${String(index._class_name)}, which ${differs.join(' and ')}`
  );
}

/**
 * Chooses the files of a Stable Diffusion pipeline out of those that a repository, or a snapshot of it, has: `model_index.json`,
 * configurations, tokenizer, and of each network the safetensors weights of the variant, or the plain ones where it has none of
 * it (as diffusers and the readers here do). Pickled, ONNX and Flax weights, and single-file checkpoints beside the folders are left.
 * @param paths with `/`
 * @param variant `fp16` and the like; if not given the plain weights, then those of fp16
 */
export function neededFiles(paths: readonly string[], variant?: string): NeededFiles {
  const all = new Set(paths);
  const missing: string[] = all.has(INDEX_FILE) ? [] : [INDEX_FILE];
  const small: string[] = paths.filter((path) => path === INDEX_FILE);
  const large: string[] = [];
  const found = new Map(NETWORKS.map((name) => [name, weightsOf(name, paths, variant)]));
  const hasVariant =
    variant === undefined || [...found.values()].some((weights) => weights?.variant === variant);
  for (const [component, alternatives] of Object.entries(REQUIRED)) {
    const has = (names: readonly string[]) => names.every((name) => all.has(`${component}/${name}`));
    if (!alternatives.some(has)) {
      missing.push(
        alternatives.map((names) => names.map((name) => `${component}/${name}`).join(' with ')).join(' or '),
      );
    }
    const names =
      component === 'tokenizer' ? TOKENIZER_FILES : new RegExp(`^(${alternatives.flat().join('|')})$`);
    small.push(...inFolder(paths, component).filter((path) => names.test(path.slice(component.length + 1))));
  }
  for (const [component, weights] of found) {
    if (weights === null) {
      missing.push(describeMissing(component, paths, variant));
      continue;
    }
    large.push(...weights.files);
    missing.push(...weights.missing);
  }
  if (!hasVariant) missing.push(`weights of the variant ${variant} in any component`);
  const companions = paths.filter((path) => COMPANIONS.test(path) || FACE_BANK.test(path));
  const isSmall = (path: string) => !path.endsWith('.safetensors');
  return {
    files: [
      ...small,
      ...[...large, ...companions].toSorted((a, b) => Number(isSmall(b)) - Number(isSmall(a))),
    ],
    missing,
  };
}

function inFolder(paths: readonly string[], folder: string): string[] {
  return paths.filter(
    (path) => path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/'),
  );
}

interface FoundWeights {
  readonly variant: string | null;
  readonly files: readonly string[];
  /** Shards that are not there. */
  readonly missing: readonly string[];
}

/** Weights of a network in the order in which its readers look for them; null when there are none in safetensors. */
function weightsOf(
  component: string,
  paths: readonly string[],
  variant: string | undefined,
): FoundWeights | null {
  const names = inFolder(paths, component);
  for (const wanted of [...(variant === undefined ? [] : [variant]), null, 'fp16']) {
    for (const stem of WEIGHT_STEMS) {
      const single = `${component}/${stem}${wanted === null ? '' : `.${wanted}`}.safetensors`;
      if (names.includes(single)) return { variant: wanted, files: [single], missing: [] };
      const indexes = [
        `${component}/${stem}.safetensors.index${wanted === null ? '' : `.${wanted}`}.json`,
        ...(wanted === null ? [] : [`${component}/${stem}.${wanted}.safetensors.index.json`]),
      ];
      const index = indexes.find((name) => names.includes(name));
      if (index !== undefined)
        return { variant: wanted, ...shardsOf(index, `${component}/${stem}`, wanted, names) };
    }
  }
  return null;
}

function shardsOf(index: string, stem: string, variant: string | null, names: readonly string[]) {
  const shards = names.filter((name) => {
    const rest = name.startsWith(stem) ? name.slice(stem.length).replace(SHARD, '') : '';
    return SHARD.test(name) && rest === `${variant === null ? '' : `.${variant}`}.safetensors`;
  });
  const count = Number(SHARD.exec(shards[0] ?? '')?.[2] ?? 1);
  const missing = shards.length === count ? [] : [`${count - shards.length} of ${count} shards of ${index}`];
  return { files: [index, ...shards], missing };
}

function describeMissing(component: string, paths: readonly string[], variant: string | undefined): string {
  const names = inFolder(paths, component);
  const pickled = names.filter((name) => PICKLED_WEIGHTS.test(name));
  const others = names.filter((name) => name.endsWith('.safetensors'));
  const had =
    pickled.length > 0
      ? ` (there is ${pickled.join(', ')}: pickled weights are not read, because loading them can run code)`
      : others.length > 0
        ? ` (there is ${others.join(', ')})`
        : '';
  return `safetensors weights in ${component}/${variant === undefined ? '' : `, ${variant} or plain`}${had}`;
}
