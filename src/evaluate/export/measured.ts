/** What was measured of an adapter: read from the report of an evaluation, if that is about this very adapter. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { openSafetensors } from '../../weights/safetensors.ts';
import { sha256OfFile } from '../provenance.ts';

/** Text fields of an adapter's header; none for folders, whose files have them in their own places. */
export function headerOf(adapter: string): Readonly<Record<string, string>> {
  return statSync(adapter).isFile() ? openSafetensors(adapter).metadata : {};
}

const artifact = z.looseObject({ name: z.string(), hash: z.string().optional() });
const adapterArtifact = artifact.extend({ scale: z.number().default(1) });
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
  setup: z.looseObject({
    model: artifact,
    adapter: adapterArtifact.optional(),
    classifiers: z.array(artifact),
  }),
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
 * @throws Error when the file is no report, or a named one is about another adapter
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
    throw new Error(
      `${report}: expected a report of evenhand evaluate: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const { created, setup, evaluations } = parsed.data;
  const [before, after] = [evaluations[0]!, evaluations.at(-1)!];
  const { adapter: measured } = setup;
  // Weaker or stronger than it is exported, it has another bias.
  const isAbout = measured?.scale === 1 && (await isSameAdapter(report, measured, adapter));
  if (!isAbout || evaluations.length < 2) {
    if (!mustMatch) return null;
    throw new Error(
      `${report}: expected a report that compares the model with and without ${adapter}, received one ` +
        otherSubject(measured),
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

/** What a report is about instead. */
function otherSubject(measured: z.infer<typeof adapterArtifact> | undefined): string {
  if (measured === undefined) return 'without an adapter';
  const { name, scale } = measured;
  return scale === 1 ? `about another file (${name})` : `about ${name} at scale ${scale}`;
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: cannot be read as JSON: ${(error as Error).message}`, { cause: error });
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
