/** The report of an evaluation, of one model or of two from the same noise: measures, changes, similarities, figures. */

import { createGenerator } from '../diffusion/noise.ts';
import type { AttributeHead } from '../faces/index.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import type { AttributeResult } from './attribute_result.ts';
import type { AttributeChange } from './comparison.ts';
import { compareAttribute } from './comparison.ts';
import { contactSheets } from './contact_sheets.ts';
import type { Evaluation } from './evaluate.ts';
import { measureEvaluation } from './evaluate.ts';
import type { FaceRates } from './face_rates.ts';
import { faceRates, rateChanges, uncertainRates } from './face_rates.ts';
import type { RealImages } from './image_comparison.ts';
import { imageDistances, similarityTables } from './image_comparison.ts';
import { NO_FACE } from './metrics.ts';
import type { ExplicitPrompt } from './obedience.ts';
import { measureObedience, obedienceChange } from './obedience.ts';
import { arePaired, comparePairs } from './paired_change.ts';
import { similaritiesByPerson } from './person_change.ts';
import type {
  Comparison,
  FamilyComparison,
  ImageDistance,
  ImageRow,
  QualityChange,
  QualityMeasure,
  ReportChart,
  ReportData,
  Setup,
} from './report_data.ts';
import { EXPLICIT_FAMILY } from './report_data.ts';
import type { MeanSimilarity, Similarities } from './similarity.ts';
import { summarizeSimilarities } from './similarity.ts';

/** A model's images, judged. */
export interface ReportedModel {
  /** Its name in the report: 'original', 'fine-tuned'. */
  readonly label: string;
  readonly evaluation: Evaluation;
  /** Images of the explicit prompts, in their order. */
  readonly explicit?: Evaluation;
}

/** What a report is made from. */
export interface EvaluationReportInput {
  readonly title: string;
  readonly summary?: string;
  readonly created: string;
  readonly setup: Setup;
  readonly notes: readonly string[];
  /** One model, or two in order: before, after. */
  readonly models: readonly ReportedModel[];
  /** Targets whose attributes are measured, the trained one first. */
  readonly targets: readonly TargetDistribution[];
  /** Family of each prompt, in the prompts' order. */
  readonly families?: readonly string[];
  /** Prompts that name attributes, as `explicit` of the models shows them. */
  readonly explicitPrompts?: readonly ExplicitPrompt[];
  /** Lengths of the features that the evaluations hold, by encoder. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** CLIP's embeddings of the prompts. */
  readonly texts?: ReadonlyMap<string, Float32Array>;
  /** Features of real images. */
  readonly real?: RealImages;
  readonly charts?: readonly ReportChart[];
  /** Called as the comparison goes on. */
  readonly onProgress?: (step: number, steps: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Measures the models, compares them, and draws the figures.
 * @throws Error when there is not one model, or two; or the signal's reason when it is raised
 */
export async function evaluationReport(input: EvaluationReportInput): Promise<ReportData> {
  const { models, targets, explicitPrompts = [], families = [], real } = input;
  if (models.length < 1 || models.length > 2) {
    throw new Error(`Report: expected one model or two, received ${models.length}`);
  }
  const [first] = models;
  const similarities = models.map((model, position) => similaritiesOf(input, model, position));
  const all = first!.evaluation.prompts.map((_, position) => position);
  const names = [...new Set(families)];
  const encoders = Object.entries(input.dimensions ?? {});
  const sets = names.length > 1 ? names : [];
  const advance = pacer(input, (1 + sets.length) * targets.length + encoders.length);
  const pooled = await compareSet(input, similarities, all, advance);
  const byFamily: FamilyComparison[] = [];
  for (const family of sets) {
    const positions = all.filter((position) => families[position] === family);
    byFamily.push({ family, ...(await compareSet(input, similarities, positions, advance)) });
  }
  const obedience = models.map(({ explicit }) =>
    explicit === undefined || explicitPrompts.length === 0
      ? undefined
      : measureObedience(explicitPrompts, explicit.attributes, explicit.prompts),
  );
  const [obeyed, obeyedAfter] = obedience;
  const trained = new Set(targets[0]!.attributes.map(({ name }) => name));
  const heads = first!.evaluation.attributes.filter(({ name }) => trained.has(name));
  const distances: ImageDistance[] = [];
  for (const [encoder, dimension] of encoders) {
    distances.push(...imageDistances(models, encoder, dimension, real));
    await advance();
  }
  return {
    title: input.title,
    ...(input.summary === undefined ? {} : { summary: input.summary }),
    created: input.created,
    setup: input.setup,
    ...pooled,
    evaluations: pooled.evaluations.map((each, i) => {
      const found = obedience[i];
      return found === undefined ? each : { ...each, obedience: found };
    }),
    ...(byFamily.length > 0 ? { families: byFamily } : {}),
    ...(distances.length > 0 ? { distances } : {}),
    ...(obeyed && obeyedAfter ? { obedienceChange: obedienceChange(obeyed, obeyedAfter) } : {}),
    charts: input.charts ?? [],
    images: await sheetsOf(models, heads),
    rows: models.flatMap((model, i) => imageRows(input, model, similarities[i]!)),
    notes: input.notes,
  };
}

function similaritiesOf(input: EvaluationReportInput, model: ReportedModel, position: number): Similarities {
  const original = position === 0 ? null : input.models[0]!.evaluation;
  return similarityTables(model.evaluation, original, input.dimensions ?? {}, input.texts);
}

/** A function to call after each part of the work: tells of it, and lets signals and timers have their turn. */
function pacer({ onProgress, signal }: EvaluationReportInput, steps: number): () => Promise<void> {
  let step = 0;
  return async () => {
    onProgress?.(++step, steps);
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  };
}

/** Results of the prompts at `positions`, and what changed from the first model to the second. */
async function compareSet(
  { models, targets }: EvaluationReportInput,
  similarities: readonly Similarities[],
  positions: readonly number[],
  advance: () => Promise<void>,
): Promise<Comparison> {
  const parts = models.map(({ evaluation }) => ({
    ...evaluation,
    prompts: positions.map((position) => evaluation.prompts[position]!),
  }));
  const trained = new Set(targets[0]!.attributes.map(({ name }) => name));
  const results: AttributeResult[][] = models.map(() => []);
  const changes: AttributeChange[] = [];
  for (const [position, target] of targets.entries()) {
    parts.forEach((part, i) => {
      results[i]!.push(measureEvaluation(part, target));
    });
    const isTrained = target.attributes.every(({ name }) => trained.has(name));
    changes.push(...changeOf(parts, results, target, isTrained, position));
    await advance();
  }
  const similar = compareSimilarities(models, similarities, positions);
  const faces = parts.map(({ prompts }) => faceRates(prompts.map((prompt) => prompt.faces)));
  const uncertain = parts.map(({ prompts }) => uncertainRates(prompts.map((prompt) => prompt.confidences)));
  const evaluations = models.map(({ label }, i) => ({
    label,
    attributes: results[i]!,
    faces: faces[i]!,
    uncertain: uncertain[i]!,
    quality: similar.quality[i]!,
  }));
  if (models.length < 2) return { evaluations };
  return {
    evaluations,
    changes,
    qualityChanges: similar.changes,
    ...qualityByPerson(parts, similarities, positions),
    faceChanges: rateChanges<keyof FaceRates>(faces[0]!, faces[1]!),
    uncertainChanges: rateChanges(uncertain[0]!, uncertain[1]!),
  };
}

/**
 * Change of the attribute whose results stand last: in pairs where images come in pairs; none for a single model, or where no
 * prompt shows a face before and after.
 */
function changeOf(
  [before, after]: readonly Evaluation[],
  [first, second]: readonly AttributeResult[][],
  target: TargetDistribution,
  trained: boolean,
  seed: number,
): AttributeChange[] {
  if (before === undefined || after === undefined || !haveFaces(before, after, target)) return [];
  const bootstrap = { random: createGenerator({ seed, stream: 'bootstrap of changes' }).uniform };
  if (arePaired(before, after)) return [comparePairs(before, after, target, trained, bootstrap)];
  return [{ ...compareAttribute(first!.at(-1)!, second!.at(-1)!, bootstrap), trained }];
}

/** Means of the similarities of each model, and the changes of those that both have, over the prompts at `positions`. */
function compareSimilarities(
  models: readonly ReportedModel[],
  similarities: readonly Similarities[],
  positions: readonly number[],
): { readonly quality: readonly QualityMeasure[][]; readonly changes: readonly QualityChange[] } {
  const [first, last] = models;
  const inPairs = last === undefined || arePaired(first!.evaluation, last.evaluation);
  const key = (model: number, name: string) => `${model} ${name}`;
  const columnsOf = (model: number) =>
    Object.entries(similarities[model]!).map(
      ([name, rows]) => [key(model, name), positions.map((position) => rows[position]!)] as const,
    );
  const common = Object.keys(similarities[0]!).filter((name) => similarities[1]?.[name] !== undefined);
  const pairs = Object.fromEntries(common.map((name) => [name, [key(0, name), key(1, name)] as const]));
  const bootstrap = () => ({
    random: createGenerator({ seed: 0, stream: 'bootstrap of similarities' }).uniform,
  });
  const together = inPairs
    ? [summarizeSimilarities(Object.fromEntries(models.flatMap((_, i) => columnsOf(i))), pairs, bootstrap())]
    : models.map((_, i) => summarizeSimilarities(Object.fromEntries(columnsOf(i)), {}, bootstrap()));
  const means = Object.assign({}, ...together.map((summary) => summary.means)) as Record<
    string,
    MeanSimilarity
  >;
  return {
    quality: models.map((_, model) =>
      Object.keys(similarities[model]!).map((name) => ({
        name,
        ...means[key(model, name)]!,
        better: 'higher' as const,
      })),
    ),
    changes: inPairs
      ? Object.entries(together[0]!.changes).map(([name, change]) => ({ name, ...change }))
      : [],
  };
}

/** Similarities by whether the person's group stayed, over the prompts at `positions`; nothing where images don't come in pairs. */
function qualityByPerson(
  [before, after]: readonly Evaluation[],
  similarities: readonly Similarities[],
  positions: readonly number[],
): Pick<Comparison, 'qualityByPerson'> {
  if (before === undefined || after === undefined || !arePaired(before, after)) return {};
  const [first, second] = similarities.map((tables) =>
    Object.fromEntries(
      Object.entries(tables).map(([name, rows]) => [name, positions.map((position) => rows[position]!)]),
    ),
  );
  const bootstrap = {
    random: createGenerator({ seed: 0, stream: 'bootstrap of similarities by person' }).uniform,
  };
  const found = similaritiesByPerson(before, after, { before: first!, after: second! }, bootstrap);
  return found.length === 0 ? {} : { qualityByPerson: found };
}

/** Whether some prompt shows a face in both evaluations, without which nothing can be compared. */
function haveFaces(before: Evaluation, after: Evaluation, { attributes }: TargetDistribution): boolean {
  const later = new Map(after.prompts.map((prompt) => [prompt.prompt, prompt]));
  const [{ name }] = attributes as [AttributeHead];
  const shows = (column: Int32Array) => column.some((k) => k !== NO_FACE);
  return before.prompts.some(({ prompt, classes }) => {
    const match = later.get(prompt);
    return match !== undefined && shows(classes[name]!) && shows(match.classes[name]!);
  });
}

async function sheetsOf(models: readonly ReportedModel[], heads: readonly AttributeHead[]) {
  const shown = models.filter(({ evaluation }) => evaluation.kept.length > 0);
  if (shown.length < models.length) return [];
  return [
    await contactSheets(
      models.map(({ label, evaluation }) => ({ label, kept: evaluation.kept })),
      heads,
    ),
  ];
}

function imageRows(
  { families = [] }: EvaluationReportInput,
  { label, evaluation, explicit }: ReportedModel,
  similarities: Similarities,
): ImageRow[] {
  const rowsOf = (judged: Evaluation, familyOf: (position: number) => string, tables: Similarities) =>
    judged.prompts.flatMap(({ prompt, seeds, faces, classes, confidences }, position) =>
      seeds.map(
        (seed, image): ImageRow => ({
          evaluation: label,
          family: familyOf(position),
          prompt,
          seed,
          faces: faces[image]!,
          attributes: Object.fromEntries(
            judged.attributes.map(({ name, classes: names }) => {
              const found = classes[name]![image]!;
              const probability = confidences[name]![image]!;
              return [name, found === NO_FACE ? null : { name: names[found]!, probability }];
            }),
          ),
          similarities: Object.fromEntries(
            Object.entries(tables).map(([name, rows]) => [name, rows[position]![image]!]),
          ),
        }),
      ),
    );
  return [
    ...rowsOf(evaluation, (position) => families[position] ?? '', similarities),
    ...(explicit === undefined ? [] : rowsOf(explicit, () => EXPLICIT_FAMILY, {})),
  ];
}
