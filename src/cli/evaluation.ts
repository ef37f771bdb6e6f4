/** Carries out an evaluation's configuration: draws and judges what it names, compares, writes the report. */

import path from 'node:path';
import { evaluationReport } from '../evaluate/evaluation_report.ts';
import type { RealImages } from '../evaluate/image_comparison.ts';
import { MAXIMUM_DISTANCE_IMAGES } from '../evaluate/image_comparison.ts';
import { listImages, readImages } from '../evaluate/image_folder.ts';
import type { JudgedPart } from '../evaluate/judgement.ts';
import { liveTally } from '../evaluate/live_measurement.ts';
import { writeReport } from '../evaluate/report.ts';
import type { ReportData } from '../evaluate/report_data.ts';
import {
  configuredGroups,
  configuredGroupTargets,
  configuredTarget,
  groupName,
  groupTarget,
} from '../finetune/config.ts';
import { groupFolder } from '../finetune/prompt_groups.ts';
import type { Runtime } from '../graph/index.ts';
import { asUsage, UsageError } from './errors.ts';
import type { EvaluateConfig } from './evaluate_config.ts';
import { defaultImagesPerPrompt } from './evaluate_config.ts';
import { openAdapter } from './export_source.ts';
import { resolveExplicitPrompts, resolvePromptSet } from './measured_prompts.ts';
import type { MeasuringBench, MeasuringPlan } from './measuring.ts';
import {
  describeBias,
  describeFeatures,
  describeSetup,
  measure,
  measuredTargets,
  openMeasuringBench,
  openRecord,
  summarizeResult,
} from './measuring.ts';
import { modelName, resolveModel } from './models.ts';
import { outputFolder } from './options.ts';
import { partPrompts } from './parted_prompts.ts';
import type { Progress } from './progress.ts';
import { paceMeter } from './progress.ts';
import { spreadItems } from './prompts.ts';

/** Images of each explicit prompt where nothing is configured. */
const EXPLICIT_IMAGES = 16;

/** Real images that are read and encoded together. */
const REAL_BATCH = 32;

/** What there is to draw: the measured prompts and the explicit ones. */
interface Plans {
  readonly measured: MeasuringPlan;
  readonly explicit: MeasuringPlan | null;
}

/**
 * Evaluates a model, and with an adapter the two of them from the same noise. Groups of prompts with targets of their own are
 * evaluated one after the other, each in a folder of its own inside the output folder.
 * @throws Error naming what does not fit, before long work; or the signal's reason
 */
export async function runEvaluation(
  runtime: Runtime,
  config: EvaluateConfig,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const groups = configuredGroups(config.target);
  if (groups === null) return evaluateTarget(runtime, config, null, progress, signal);
  const folder = resolveModel(config.model);
  asUsage(() => {
    const { classifier } = openMeasuringBench(runtime, folder, config.judges, { faces: config.faces });
    configuredGroupTargets(config, classifier.attributes);
  });
  for (const group of groups) {
    const { for: prompts } = group;
    const name = groupName(group);
    progress.note(`prompts ${name}`);
    const own = {
      ...config,
      target: groupTarget(group) as EvaluateConfig['target'],
      prompts: { ...config.prompts, test: typeof prompts === 'string' ? prompts : [...prompts] },
      output: path.join(config.output, groupFolder(name)),
    };
    await evaluateTarget(runtime, own, name, progress, signal);
  }
}

/**
 * Evaluates prompts that have one target; what an earlier evaluation left in the output
 * folder is not drawn again.
 * @param group name of the group of prompts; null where there is one target for all
 * @throws Error naming what does not fit, before long work; or the signal's reason
 */
async function evaluateTarget(
  runtime: Runtime,
  config: EvaluateConfig,
  group: string | null,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  if (config.adapterScale !== 1 && config.adapter === undefined) {
    throw new UsageError(
      `adapterScale: expected an adapter beside it, received ${config.adapterScale} alone`,
    );
  }
  const folder = resolveModel(config.model);
  const set = resolvePromptSet(config.prompts.test);
  if (set.measured.length === 0) {
    throw new UsageError('prompts: expected prompts without attributes to measure, received none');
  }
  const { realImages } = config;
  const realFiles = realImages === undefined ? null : asUsage(() => listImages(realImages));
  const bench = asUsage(() => openMeasuringBench(runtime, folder, config.judges, config));
  const { attributes } = bench.classifier;
  const target = asUsage(() => configuredTarget(config, attributes));
  const targets = measuredTargets(target, attributes);
  const parted = asUsage(() => partPrompts(set, target, attributes));
  const measured = spreadItems(parted.measured, config.prompts.count ?? parted.measured.length);
  for (const note of parted.notes) progress.note(note);
  const explicit = resolveExplicitPrompts(config.explicit.prompts, parted.explicit, attributes);
  const { model } = bench.pipeline;
  const opened =
    config.adapter === undefined ? null : openAdapter(config.adapter, model, config.adapterScale);
  outputFolder(config.output);
  const imagesPerPrompt = config.prompts.imagesPerPrompt ?? defaultImagesPerPrompt(target.attributes);
  const plan: MeasuringPlan = {
    prompts: measured.map(({ prompt }) => prompt),
    imagesPerPrompt,
    seed: config.seed,
    steps: config.sampler.steps,
    guidanceScale: config.sampler.guidanceScale ?? model.defaultGuidanceScale,
    negativePrompt: config.prompts.negative,
    keep: config.sheet,
  };
  const explicitPlan: MeasuringPlan = {
    ...plan,
    prompts: explicit.map(({ prompt }) => prompt),
    imagesPerPrompt: config.explicit.imagesPerPrompt ?? Math.min(EXPLICIT_IMAGES, imagesPerPrompt),
    seed: config.explicit.seed,
    keep: { prompts: 0, images: 0 },
  };
  const plans = { measured: plan, explicit: explicit.length === 0 ? null : explicitPlan };
  const described = await describeSetup(bench, plan, opened?.file ?? null, opened?.scale);
  const setup = {
    ...described,
    more: {
      ...described.more,
      Target: targets[0]!.shares.map((share) => share.toFixed(3)).join(', '),
      ...(plans.explicit === null ? {} : { 'Seeds of explicit prompts': seedsOf(plans.explicit) }),
    },
  };
  const encoded = await describeFeatures(bench, plan.prompts);
  const real = realFiles === null ? null : await encodeReal(bench, realImages!, realFiles, progress, signal);
  const models = opened === null ? 1 : 2;
  const shared = sharedTimeLeft(progress, models * (imagesOf(plan) + imagesOf(plans.explicit)));
  const draw = async (adapted: boolean, name: string) => {
    const used = adapted ? opened : null;
    const record = openRecord(config.output, bench, plan, setup.files ?? [], used?.scale ?? null);
    if (record.images > 0) progress.note(`${name}: ${record.images} judged images found in ${record.file}`);
    const subject = { label: name, group, all: imagesOf(plan), attributes, target };
    const tally = liveTally(subject);
    const show = (what: MeasuringPlan, task: string, tell: (part: JudgedPart) => void = () => {}) => {
      const onJudged = (part: JudgedPart) => {
        shared.add(part.seeds.length);
        tell(part);
      };
      return measure(bench, what, used?.read ?? null, task, shared.begin(), signal, { record, onJudged });
    };
    const tellMeasured = (part: JudgedPart) => progress.measured?.(tally.add(part));
    return {
      evaluation: await show(plans.measured, `measure ${name}`, tellMeasured),
      ...(plans.explicit === null
        ? {}
        : { explicit: await show(plans.explicit, `explicit prompts, ${name}`) }),
    };
  };
  const original = await draw(false, opened === null ? 'model' : 'original');
  const tuned = opened === null ? null : await draw(true, 'fine-tuned');
  const title =
    tuned === null
      ? `Who ${modelName(folder)} draws`
      : `${modelName(folder)} with and without ${path.basename(opened!.file)}${opened!.scale === 1 ? '' : ` at scale ${opened!.scale}`}`;
  const data = await evaluationReport({
    title,
    summary: summaryOf(plans, measured, tuned !== null),
    created: new Date().toISOString(),
    setup,
    notes: [...parted.notes, ...notesOf(bench, realFiles)],
    models: [
      { label: tuned === null ? 'model' : 'original', ...original },
      ...(tuned === null ? [] : [{ label: 'fine-tuned', ...tuned }]),
    ],
    targets,
    families: measured.map(({ family }) => family),
    explicitPrompts: explicit,
    ...encoded,
    ...(real === null ? {} : { real }),
    onProgress: (step, steps) => progress.update({ task: 'compare', step, steps }),
    signal,
  });
  const files = writeReport(config.output, data);
  announce(data, progress);
  progress.note(`report: ${files.html}`);
  const named = group === null ? {} : { group };
  progress.result({ command: 'evaluate', ...named, ...resultOf(data), report: files.html });
}

function imagesOf(plan: MeasuringPlan | null): number {
  return plan === null ? 0 : plan.prompts.length * plan.imagesPerPrompt;
}

/** Shows work of `steps` units that is done in several tasks: the time left of each event is that of all of them. */
function sharedTimeLeft(progress: Progress, steps: number) {
  const pace = paceMeter(() => performance.now());
  let done = 0;
  return {
    /** Counts finished units. */
    add(units: number): void {
      done += units;
    },
    /** The progress of the task that begins now. */
    begin(): Progress {
      const before = done;
      return {
        ...progress,
        update(event) {
          const secondsLeft = pace({ task: 'all', step: before + event.step, steps });
          progress.update({ ...event, ...(secondsLeft === undefined ? {} : { secondsLeft }) });
        },
      };
    },
  };
}

function seedsOf({ seed, prompts, imagesPerPrompt }: MeasuringPlan): string {
  return `${seed} to ${seed + prompts.length * imagesPerPrompt - 1}, ${imagesPerPrompt} for each prompt`;
}

function summaryOf(
  { measured, explicit }: Plans,
  prompts: readonly { readonly family: string }[],
  compared: boolean,
): string {
  const families = [...new Set(prompts.map(({ family }) => family))];
  const named = families.length > 1 ? ` (${families.join(', ')})` : '';
  const more = explicit === null ? '' : `, and ${explicit.prompts.length} that name attributes`;
  return (
    `${prompts.length} prompts${named}, ${measured.imagesPerPrompt} images of each${more}` +
    `${compared ? '; both models drew from the same noise.' : '.'}`
  );
}

function notesOf({ features }: MeasuringBench, realFiles: readonly string[] | null): string[] {
  const { clip, dino } = features.dimensions;
  const missing = [
    ...(clip === undefined ? ['CLIP'] : []),
    ...(dino === undefined ? ['DINO'] : []),
    ...(clip !== undefined && features.encodeTexts === null ? ["CLIP's text half, and with it CLIP-T"] : []),
  ];
  const cut = (realFiles?.length ?? 0) > MAXIMUM_DISTANCE_IMAGES;
  return [
    ...(missing.length > 0 ? [`Not measured for want of its weights: ${missing.join('; ')}.`] : []),
    ...(clip === undefined && dino === undefined
      ? []
      : [
          'Where the adapter was trained with the image semantics loss on these same CLIP and DINO models, CLIP-I, DINO ' +
            'and KID are no independent judgement.',
        ]),
    ...(cut ? [`Of the real images ${MAXIMUM_DISTANCE_IMAGES}, spread evenly, were compared.`] : []),
  ];
}

/** Features of real images by the bench's encoders; more than a distance takes are spread evenly. */
async function encodeReal(
  { features, pipeline }: MeasuringBench,
  folder: string,
  files: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<RealImages> {
  const chosen = spreadItems(files, MAXIMUM_DISTANCE_IMAGES);
  const side = pipeline.model.defaultSide;
  const encoded = Object.entries(features.dimensions).map(
    ([name, dimension]) => [name, new Float32Array(chosen.length * dimension)] as const,
  );
  for (let start = 0; start < chosen.length; start += REAL_BATCH) {
    signal.throwIfAborted();
    const images = await readImages(chosen.slice(start, start + REAL_BATCH), { height: side, width: side });
    const found = await features.encodeImages(images);
    for (const [name, rows] of encoded) rows.set(found[name]!, start * features.dimensions[name]!);
    progress.update({ task: 'real images', step: start + images.count, steps: chosen.length });
  }
  return { name: path.basename(folder), features: Object.fromEntries(encoded) };
}

/** The main numbers, line by line. */
function announce(
  { evaluations, changes = [], distances = [], qualityByPerson = [], obedienceChange }: ReportData,
  progress: Progress,
): void {
  for (const { label, attributes, quality = [], faces, uncertain = {}, obedience } of evaluations) {
    for (const result of attributes) {
      progress.note(`${label}: ${describeBias(result.attribute, summarizeResult(result))}`);
    }
    for (const { name, mean } of quality) progress.note(`${label}: ${name} ${mean.toFixed(3)}`);
    if (faces !== undefined) {
      const { noFace, severalFaces } = faces;
      progress.note(
        `${label}: no face ${noFace.count} of ${noFace.images}, several faces ${severalFaces.count}`,
      );
    }
    for (const [name, { count, images }] of Object.entries(uncertain)) {
      progress.note(`${label}: uncertain of ${name} for ${count} of ${images} faces`);
    }
    if (obedience !== undefined) {
      const { count, images, rate } = obedience.all;
      progress.note(`${label}: named attributes shown by ${count} of ${images} (${rate.toFixed(2)})`);
    }
  }
  for (const { attribute, trained, shift } of changes) {
    if (trained === false && shift !== undefined) {
      progress.note(
        `drift of ${attribute}: ${shift.estimate.toFixed(3)}, floor ${shift.floor.toFixed(3)}, p ${shift.pValue.toFixed(3)}`,
      );
    }
  }
  for (const { name, person, change, images } of qualityByPerson) {
    if (change === null) continue;
    const interval = `[${change.low.toFixed(3)}, ${change.high.toFixed(3)}]`;
    progress.note(
      `${name} changed by ${change.estimate.toFixed(3)} ${interval} in ${images} images that show ` +
        `${person === 'same' ? 'the same' : 'another'} group of people as the original's`,
    );
  }
  for (const { features, from, to, estimate, low, high } of distances) {
    const interval = `[${low.toFixed(5)}, ${high.toFixed(5)}]`;
    progress.note(`KID on ${features}, ${from} to ${to}: ${estimate.toFixed(5)} ${interval}`);
  }
  if (obedienceChange?.all) {
    const { estimate, low, high } = obedienceChange.all;
    progress.note(`obedience changed by ${estimate.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`);
  }
}

/** The outcome for programs: bias by attribute under each label, and the other measures under theirs. */
function resultOf({ evaluations, distances = [] }: ReportData): Record<string, unknown> {
  return {
    ...Object.fromEntries(
      evaluations.map(({ label, attributes }) => [
        label === 'model' ? 'original' : label,
        Object.fromEntries(attributes.map((result) => [result.attribute, summarizeResult(result)])),
      ]),
    ),
    similarity: Object.fromEntries(
      evaluations.map(({ label, quality = [] }) => [
        label,
        Object.fromEntries(quality.map(({ name, mean }) => [name, mean])),
      ]),
    ),
    obedience: Object.fromEntries(
      evaluations.map(({ label, obedience }) => [label, obedience?.all.rate ?? null]),
    ),
    distances: distances.map(({ features, from, to, estimate }) => ({ features, from, to, estimate })),
  };
}
