/** Where an adapter that is exported comes from: its file, the run that made it, and what was measured of it. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { sha256OfFile } from '../evaluate/provenance.ts';
import { PEFT_CONFIG_FILE } from '../weights/lora_layers.ts';
import { DIFFUSERS_LORA_FILE, PEFT_PART_FOLDER } from '../weights/lora_reader.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import { peekConfig } from './config.ts';
import { UsageError } from './errors.ts';

/** Files that a run leaves, and the folder of the run within that of a demo or an alignment. */
const FILES = Object.freeze({ average: 'adapter.safetensors', best: 'best.safetensors' });
const CONFIGURATION = 'config.yaml';
const RUN_FOLDER = 'finetune';
const REPORT = 'report.json';

/** An adapter and the files that tell of it. */
export interface ExportSource {
  /** A `.safetensors` file, or a folder of PEFT or diffusers. */
  readonly adapter: string;
  /** Configuration of its run; null if it is not known. */
  readonly configuration: string | null;
  /** Reports that may be about it, the likeliest first. */
  readonly reports: readonly string[];
}

/**
 * Finds an adapter: a file, an adapter's folder, or the folder of a run, a demo or an alignment.
 * @param best whether the run's best validation is meant
 * @throws UsageError saying what was expected there
 */
export function findAdapter(at: string, best = false): ExportSource {
  if (!existsSync(at))
    throw new UsageError(`export: expected an adapter or a run folder, found none at ${at}`);
  const isFile = statSync(at).isFile();
  const folder = isFile ? path.dirname(path.resolve(at)) : path.resolve(at);
  const adapter = isFile ? path.resolve(at) : adapterIn(folder, best);
  const near = [folder, path.join(folder, RUN_FOLDER), path.dirname(folder)];
  const existing = (name: string) =>
    near.map((each) => path.join(each, name)).filter((file) => existsSync(file));
  return { adapter, configuration: existing(CONFIGURATION)[0] ?? null, reports: existing(REPORT) };
}

function adapterIn(folder: string, best: boolean): string {
  const has = (...names: string[]) => existsSync(path.join(folder, ...names));
  const parts = Object.values(PEFT_PART_FOLDER);
  if (
    has(PEFT_CONFIG_FILE) ||
    has(DIFFUSERS_LORA_FILE) ||
    parts.some((part) => has(part, PEFT_CONFIG_FILE))
  ) {
    return folder;
  }
  const name = best ? FILES.best : FILES.average;
  const found = [folder, path.join(folder, RUN_FOLDER)]
    .map((each) => path.join(each, name))
    .find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new UsageError(
    `export: expected ${name} of a run, or an adapter of PEFT (${PEFT_CONFIG_FILE}) or diffusers (${DIFFUSERS_LORA_FILE}) in ` +
      `${folder}${has('checkpoints') ? '; the run has not ended yet: give its command again' : ''}`,
  );
}

/** Text fields of an adapter's header; none for folders, whose files have them in their own places. */
export function headerOf(adapter: string): Readonly<Record<string, string>> {
  return statSync(adapter).isFile() ? openSafetensors(adapter).metadata : {};
}

const artifact = z.looseObject({ name: z.string(), hash: z.string().optional() });
const measuredAttribute = z.looseObject({
  attribute: z.string(),
  images: z.number(),
  prompts: z.array(z.unknown()),
  bias: z.looseObject({
    mean: z.number(),
    interval: z.looseObject({ low: z.number(), high: z.number() }).nullish(),
    floor: z.number().nullish(),
  }),
});
const reportSchema = z.looseObject({
  format: z.literal('evenhand-report'),
  created: z.string(),
  setup: z.looseObject({ model: artifact, adapter: artifact.optional(), classifiers: z.array(artifact) }),
  evaluations: z.array(z.looseObject({ label: z.string(), attributes: z.array(measuredAttribute) })).min(1),
});

/** A measured attribute before and after. */
export interface MeasuredBias {
  readonly bias: number;
  /** Ends of the 95% interval. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** What a model on target measures with as many images. */
  readonly floor: number | null;
  readonly images: number;
  readonly prompts: number;
}

/** What a report says of an adapter. */
export interface MeasuredAdapter {
  readonly created: string;
  /** Hash of the model without the adapter. */
  readonly model: string | null;
  readonly classifiers: readonly { readonly name: string; readonly hash?: string | undefined }[];
  readonly bias: Readonly<Record<string, { readonly before: MeasuredBias; readonly after: MeasuredBias }>>;
}

/**
 * What a report says of an adapter; null when it is about another adapter or compares nothing.
 * @param mustMatch whether the report was named for it: then it is an error if it is about another
 * @throws UsageError when the file is no report, or a named one is about another adapter
 */
export async function readMeasured(
  report: string,
  adapter: string,
  mustMatch: boolean,
): Promise<MeasuredAdapter | null> {
  const parsed = reportSchema.safeParse(parseJson(report));
  if (!parsed.success) {
    if (!mustMatch) return null;
    const [issue] = parsed.error.issues;
    throw new UsageError(
      `${report}: expected a report of evenhand evaluate: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const { created, setup, evaluations } = parsed.data;
  const [before, after] = [evaluations[0]!, evaluations.at(-1)!];
  const isAbout = setup.adapter !== undefined && (await isSameAdapter(report, setup.adapter, adapter));
  if (!isAbout || evaluations.length < 2) {
    if (!mustMatch) return null;
    throw new UsageError(
      `${report}: expected a report that compares the model with and without ${adapter}, received one ` +
        `${setup.adapter === undefined ? 'without an adapter' : `about another file (${setup.adapter.name})`}`,
    );
  }
  const summary = ({ bias, images, prompts }: z.infer<typeof measuredAttribute>): MeasuredBias => ({
    bias: bias.mean,
    lower: bias.interval?.low ?? null,
    upper: bias.interval?.high ?? null,
    floor: bias.floor ?? null,
    images,
    prompts: prompts.length,
  });
  const bias = Object.fromEntries(
    before.attributes.flatMap((first) => {
      const last = after.attributes.find(({ attribute }) => attribute === first.attribute);
      return last === undefined ? [] : [[first.attribute, { before: summary(first), after: summary(last) }]];
    }),
  );
  return { created, model: setup.model.hash ?? null, classifiers: setup.classifiers, bias };
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file}: cannot be read as JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** The same file, or one whose tensors are the same though its header is another (a demo and its run write both). */
async function isSameAdapter(
  report: string,
  measured: z.infer<typeof artifact>,
  adapter: string,
): Promise<boolean> {
  if (!statSync(adapter).isFile())
    return measured.hash === undefined && measured.name === path.basename(adapter);
  if (measured.hash === `sha256:${await sha256OfFile(adapter)}`) return true;
  const beside = path.join(path.dirname(report), measured.name);
  if (!existsSync(beside) || !beside.endsWith('.safetensors')) return false;
  if (measured.hash !== `sha256:${await sha256OfFile(beside)}`) return false;
  const [own, other] = [headerOf(adapter), headerOf(beside)].map((fields) => fields.sshs_model_hash);
  return own !== undefined && own === other;
}

/** A field of a run's configuration; undefined without one. */
export function configured({ configuration }: ExportSource, field: string): unknown {
  return configuration === null ? undefined : peekConfig({ file: configuration }, field);
}
