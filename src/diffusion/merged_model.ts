/** Models with an adapter merged into their weights: whole folders in diffusers layout, written tensor by tensor. */

import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { clipTokenizerFiles } from '../text/clip_vocabulary.ts';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { FACE_BANK } from '../weights/hub/pipeline_files.ts';
import { isJsonObject } from '../weights/json_object.ts';
import { mergeLoraLayer } from '../weights/lora_merge.ts';
import { makeFolder } from '../weights/make_folder.ts';
import type { SafetensorsDtype } from '../weights/safetensors_header.ts';
import { type TensorToWrite, writeSafetensorsInSteps } from '../weights/safetensors_writer.ts';
import { openStoredModel, type StoredModel, type StoredModelOptions } from '../weights/stored_model.ts';
import type { WeightSource } from '../weights/weights_in_memory.ts';
import type { Adapter } from './adapter.ts';

/** How a merged model is written. */
export interface MergeOptions extends StoredModelOptions {
  /** Element type of every network's weights; as they are stored if not given. */
  readonly dtype?: 'F32' | 'F16' | undefined;
  /** Text fields of the headers of merged weights. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Hears which tensor is being written, and how many of all are. */
  readonly onTensor?: (done: number, all: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Whether a model that is at the output is replaced, once the new one is whole. */
  readonly replace?: boolean;
}

/** Networks, the part of an adapter that changes them, and the names of their weight files. */
const NETWORKS = Object.freeze({
  text_encoder: { part: 'textEncoder', stem: 'model' },
  unet: { part: 'unet', stem: 'diffusion_pytorch_model' },
  vae: { part: null, stem: 'diffusion_pytorch_model' },
} as const);
type Network = keyof typeof NETWORKS;
const NAMES = Object.keys(NETWORKS) as readonly Network[];

const FLOATING: ReadonlySet<SafetensorsDtype> = new Set(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2']);
/** Weights and single-file checkpoints, which a merged model has its own of. */
const WEIGHT_FILE = /\.(safetensors|bin|ckpt|pt|pth|msgpack|onnx|h5)(\.index.*\.json)?$/;
/** Files smaller than this are copied, larger ones linked where the disk allows. */
const SMALL = 1 << 20;

/**
 * Writes a model with an adapter's low-rank updates and whole weights merged in: configurations, tokenizer, scheduler and every
 * network, one tensor in memory at a time; networks that stay as they are are linked, and so are the folders of other models
 * beside them. Nothing appears under the folder's name before all is written.
 * @param output folder, which must not exist or be empty, or hold a model that may be replaced
 * @throws Error when the adapter has soft tokens, changes what the model lacks, or a value does not fit the element type; the
 * signal's reason once it is raised
 */
export async function writeMergedModel(
  modelPath: string,
  adapter: Adapter,
  output: string,
  options: MergeOptions = {},
): Promise<void> {
  if (adapter.softTokens !== null) {
    throw new Error(
      `${output}: soft tokens stand in front of the prompt and cannot be merged into weights; write them as textual-inversion`,
    );
  }
  if (adapter.lora === null && !adapter.weights)
    throw new Error(`${output}: expected an adapter, received none`);
  const target = resolve(output);
  const isFree = !existsSync(target) || (statSync(target).isDirectory() && readdirSync(target).length === 0);
  if (!isFree && !(options.replace && existsSync(join(target, 'model_index.json')))) {
    throw new Error(
      `${output}: expected no such folder, or an empty one${options.replace ? ', or a model to replace' : ''}`,
    );
  }
  const model = openStoredModel(modelPath, options);
  const changes = NAMES.map((name) => changesOf(name, model, adapter));
  const all = changes.reduce((sum, { weights }) => sum + weights.names().length, 0);
  makeFolder(dirname(target));
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    mkdirSync(temporary);
    writeEverythingElse(model, temporary);
    let done = 0;
    for (const change of changes) {
      await writeNetwork(model, change, join(temporary, change.name), options, async () => {
        options.onTensor?.(++done, all);
        await nextTurn();
        options.signal?.throwIfAborted();
      });
    }
    if (existsSync(target)) rmSync(target, { recursive: true });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** What becomes of one network. */
interface NetworkChange {
  readonly name: Network;
  readonly config: unknown;
  readonly weights: WeightSource;
  /** Functions from a tensor's stored elements to its new ones, by its name. */
  readonly merges: ReadonlyMap<string, (stored: Float32Array, shape: readonly number[]) => Float32Array>;
}

function changesOf(name: Network, model: StoredModel, { lora, weights: whole }: Adapter): NetworkChange {
  const { config, weights } = model.openModel(name);
  const { part } = NETWORKS[name];
  const merges = new Map<string, (stored: Float32Array, shape: readonly number[]) => Float32Array>();
  const add = (
    parameter: string,
    merge: (stored: Float32Array, shape: readonly number[]) => Float32Array,
  ) => {
    if (!weights.has(parameter)) {
      throw new Error(`${model.path}: ${name} has no parameter ${parameter} to merge the adapter into`);
    }
    merges.set(parameter, merge);
  };
  for (const [parameter, { data }] of (part && whole?.[part]) || []) add(parameter, () => data);
  for (const [module, layer] of (part && lora?.[part]) || []) {
    const parameter = `${module}.weight`;
    const before = merges.get(parameter);
    add(parameter, (stored, shape) => mergeLoraLayer(before?.(stored, shape) ?? stored, shape, layer));
  }
  return { name, config, weights, merges };
}

async function writeNetwork(
  model: StoredModel,
  { name, config, weights, merges }: NetworkChange,
  folder: string,
  { dtype, metadata = {} }: MergeOptions,
  pause: () => Promise<void>,
): Promise<void> {
  makeFolder(folder);
  writeTextAtomically(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const newType = (parameter: string): SafetensorsDtype => {
    const stored = weights.info(parameter).dtype;
    if (!FLOATING.has(stored)) return stored;
    // Sums do not fit the eight bits that a stored weight may have.
    return dtype ?? (merges.has(parameter) && stored.startsWith('F8') ? 'F16' : stored);
  };
  const isSame =
    merges.size === 0 && weights.names().every((each) => newType(each) === weights.info(each).dtype);
  const source = isSame ? wholeFile(weights) : null;
  const file = join(folder, `${NETWORKS[name].stem}.safetensors`);
  if (source !== null) {
    place(source, file);
    for (const _ of weights.names()) await pause();
    return;
  }
  const tensors = new Map<string, TensorToWrite>();
  for (const parameter of weights.names()) {
    const { dtype: stored, shape } = weights.info(parameter);
    const type = newType(parameter);
    const merge = merges.get(parameter);
    const data = () => {
      if (merge === undefined && type === stored) return weights.readBytes(parameter);
      const values = weights.readFloat32(parameter);
      const merged = merge === undefined ? values : merge(values, shape);
      assertFits(`${model.path}: ${name} ${parameter}`, merged, type);
      return merged;
    };
    tensors.set(parameter, { dtype: type, shape, data });
  }
  // Readers of transformers and diffusers ask for this field.
  await writeSafetensorsInSteps(file, tensors, { ...(merges.size > 0 ? metadata : {}), format: 'pt' }, pause);
}

/** The least number that rounds to infinity in float16, whose largest is 65504 (IEEE 754, section 4.3.1). */
const HALF_OVERFLOW = 65_520;

function assertFits(name: string, values: Float32Array, type: SafetensorsDtype): void {
  const limit = type === 'F16' ? HALF_OVERFLOW : Number.POSITIVE_INFINITY;
  const wrong = values.find((value) => !(Math.abs(value) < limit));
  if (wrong === undefined) return;
  throw new Error(
    `${name}: the merged value ${wrong} does not fit ${type}${type === 'F16' ? '; write float32' : ''}`,
  );
}

/** The one file that holds exactly a network's tensors under these names; null for shards, views, and memory. */
function wholeFile(weights: WeightSource): string | null {
  const infos = weights.names().map((name) => weights.info(name));
  const [first] = infos;
  if (!first?.file || infos.some(({ file }) => file !== first.file)) return null;
  const bytes = infos.reduce((sum, { length }) => sum + length, 0);
  const begin = infos.reduce((least, { offset }) => Math.min(least, offset), Number.POSITIVE_INFINITY);
  // Of a checkpoint with other parts a network is not the whole data.
  return weights.description === first.file && begin + bytes === statSync(first.file).size
    ? first.file
    : null;
}

/** Everything but the networks: the index, scheduler, tokenizer, and other folders and files beside them. */
function writeEverythingElse(model: StoredModel, output: string): void {
  if (!statSync(model.path).isDirectory()) {
    writeIndex(model, output);
    return;
  }
  for (const entry of readdirSync(model.path)) {
    const from = join(model.path, entry);
    if (statSync(from).isDirectory()) {
      copyFolder(from, join(output, entry), NAMES.includes(entry as Network));
    } else if (!WEIGHT_FILE.test(entry) || FACE_BANK.test(entry)) {
      place(from, join(output, entry));
    }
  }
  rmSync(join(output, 'model_index.json'), { force: true });
  writeIndex(model, output);
}

function copyFolder(from: string, to: string, withoutWeights: boolean): void {
  makeFolder(to);
  for (const entry of readdirSync(from)) {
    const source = join(from, entry);
    if (statSync(source).isDirectory()) copyFolder(source, join(to, entry), withoutWeights);
    else if (!(withoutWeights && (WEIGHT_FILE.test(entry) || entry === 'config.json')))
      place(source, join(to, entry));
  }
}

function writeIndex(model: StoredModel, output: string): void {
  const file = join(model.path, 'model_index.json');
  const json = (name: string, content: unknown) => {
    makeFolder(dirname(join(output, name)));
    writeTextAtomically(join(output, name), `${JSON.stringify(content, null, 2)}\n`);
  };
  if (existsSync(file)) {
    const index: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!isJsonObject(index)) throw new Error(`${file}: expected a JSON object`);
    // A component that was not downloaded (a safety checker) is none: diffusers would ask for its folder.
    const isAbsent = (name: string) =>
      model.components.has(name) && !existsSync(join(output, name)) && !(name in NETWORKS);
    json(
      'model_index.json',
      Object.fromEntries(
        Object.entries(index).map(([name, value]) => [name, isAbsent(name) ? [null, null] : value]),
      ),
    );
    return;
  }
  const components = [...model.components].map(([name, { library, className }]) => [
    name,
    [library, className],
  ]);
  const none = ['safety_checker', 'feature_extractor'].map((name) => [name, [null, null]]);
  json('model_index.json', {
    _class_name: model.pipelineClass,
    ...Object.fromEntries([...components, ...none]),
    requires_safety_checker: false,
  });
  json('scheduler/scheduler_config.json', model.schedulerConfig());
  const { vocabJson, mergesTxt } = clipTokenizerFiles();
  const padToken = 'padToken' in model.tokenizer ? model.tokenizer.padToken : null;
  mkdirSync(join(output, 'tokenizer'));
  writeTextAtomically(join(output, 'tokenizer/vocab.json'), vocabJson);
  writeTextAtomically(join(output, 'tokenizer/merges.txt'), mergesTxt);
  const tokens = { bos_token: '<|startoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' };
  const special = { ...tokens, pad_token: padToken ?? '<|endoftext|>' };
  json('tokenizer/special_tokens_map.json', special);
  json('tokenizer/tokenizer_config.json', {
    ...special,
    model_max_length: 77,
    tokenizer_class: 'CLIPTokenizer',
  });
}

/** A file under another name: small ones copied, large ones linked where that is possible. */
function place(from: string, to: string): void {
  const source = realpathSync(from);
  if (statSync(source).size >= SMALL) {
    try {
      linkSync(source, to);
      return;
    } catch {
      // Another disk, or one without links.
    }
  }
  copyFileSync(source, to);
}
