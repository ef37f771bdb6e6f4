/** The fairness loss as the objective of a finetuning run, and what validation measures of it. */

import { pairwiseBias, totalVariation } from '../fairness/bias.ts';
import type {
  EvaluatedLoss,
  ImageLoss,
  Observation,
  OriginalImages,
  PromptTargets,
  TargetDistribution,
} from '../fairness/index.ts';
import {
  cellOfClasses,
  joinObservations,
  largestClass,
  marginalTarget,
  sameTarget,
  sliceAssignment,
  wantsOneClass,
} from '../fairness/index.ts';
import type { ClassCounts, ImageObjective, ObjectiveRequest, StagedObjective } from './objective.ts';

/** Classes of the images with a face, one array of classes an image, in the target's order of attributes. */
function classesOf(observation: Observation, { attributes }: TargetDistribution): number[][] {
  const positions = attributes.map(({ name }) =>
    observation.attributes.findIndex((attribute) => attribute.name === name),
  );
  return observation.selections.flatMap(({ face }, image) => {
    if (face === null) return [];
    const found = attributes.map(({ classes }, i) =>
      largestClass(observation.probabilities[positions[i]!]!, image, classes.length),
    );
    return found.includes(null) ? [] : [found as number[]];
  });
}

function countClasses(classes: readonly number[], size: number): number[] {
  const counts = new Array<number>(size).fill(0);
  for (const found of classes) counts[found]!++;
  return counts;
}

/** Counts of the whole target's cells, and of each attribute where it has several. */
function countsOf(observation: Observation, target: TargetDistribution, group: string): ClassCounts[] {
  const classes = classesOf(observation, target);
  const cells = classes.map((image) => cellOfClasses(target.attributes, image));
  const whole = { name: '', counts: countClasses(cells, target.shares.length), shares: [...target.shares] };
  const single = target.attributes.map(({ name, classes: names }, i) => {
    const found = classes.map((image) => image[i]!);
    return {
      name,
      counts: countClasses(found, names.length),
      shares: [...marginalTarget(target, name).shares],
    };
  });
  return [whole, ...single].map((each) => (group === '' ? each : { ...each, group }));
}

/** Share of images with a face, and bias (unless one class alone is wanted) and distance by attribute; NaN without faces. */
function describe(observation: Observation, target: TargetDistribution): Record<string, number> {
  const count = observation.selections.length;
  const faces = observation.selections.filter(({ face }) => face !== null).length / count;
  const measured: Record<string, number> = { faces };
  for (const { name, counts, shares } of countsOf(observation, target, '').slice(1)) {
    const found = counts.reduce((sum, each) => sum + each, 0);
    const frequencies = counts.map((each) => each / found);
    // Where a single class is wanted, as of prompts that name one, being biased is the aim.
    if (!wantsOneClass(shares)) measured[`bias ${name}`] = pairwiseBias(frequencies);
    measured[`distance ${name}`] = totalVariation(frequencies, shares);
  }
  return measured;
}

function batchOf({ count, height, width }: ObjectiveRequest, data: Float32Array) {
  return { data, count, height, width };
}

function partsOf({ parts: { align, face, image } }: Pick<EvaluatedLoss, 'parts'>): Record<string, number> {
  return { align, face, image };
}

/**
 * Distributional alignment, image semantics and face realism with their weights, towards one target or the one of each prompt.
 *
 * Metrics: `align`, `face`, `image` (parts of the loss), `faces` (share of images with one), and for each attribute of the
 * target `bias NAME` (by the loss's own classifier; not where the target wants one class alone) and `distance NAME` (total variation to the target's marginal).
 */
export function fairnessObjective(
  loss: ImageLoss,
  targets: TargetDistribution | PromptTargets,
): ImageObjective {
  const { of: groupOf } = 'groups' in targets ? targets : sameTarget(targets);
  return {
    async evaluate(request) {
      const { target } = groupOf(request.prompt);
      const images = batchOf(request, request.images);
      const originals = batchOf(request, request.originals);
      const result = await loss.evaluate({ images, originals, target, iteration: request.iteration });
      const metrics = { ...partsOf(result), ...describe(result.observation, target) };
      return { loss: result.total, metrics, gradient: result.gradient };
    },
    async measure(request) {
      const observation = await loss.observe(batchOf(request, request.images));
      return describe(observation, groupOf(request.prompt).target);
    },
    measuring() {
      const seen: Observation[] = [];
      let prompt = '';
      return {
        async add(part) {
          prompt = part.prompt;
          seen.push(await loss.observe(batchOf(part, part.images)));
        },
        finish() {
          const observation = joinObservations(seen);
          const { target, name } = groupOf(prompt);
          return { metrics: describe(observation, target), counts: countsOf(observation, target, name) };
        },
      };
    },
    staged: stagedObjective(loss, groupOf),
  };
}

interface SeenPart {
  readonly request: Omit<ObjectiveRequest, 'images' | 'originals'>;
  readonly observation: Observation;
  readonly originals: OriginalImages;
}

/** Targets and assignment over the whole batch, from what was seen of its parts; losses and gradients part by part. */
function stagedObjective(loss: ImageLoss, groupOf: PromptTargets['of']): StagedObjective<SeenPart> {
  return {
    async see({ images, originals, ...request }) {
      const whole = { ...request, images, originals };
      return {
        request,
        observation: await loss.observe(batchOf(whole, images)),
        originals: await loss.describe(batchOf(whole, originals)),
      };
    },
    decide(parts, iteration) {
      const { target } = groupOf(parts[0]!.request.prompt);
      const observation = joinObservations(parts.map((part) => part.observation));
      const originals = joinObservations(parts.map((part) => part.originals));
      const assignment = loss.assign(observation, originals, target, iteration);
      let start = 0;
      const losses = parts.map((part) => {
        const own = sliceAssignment(assignment, start, start + part.request.count);
        start += part.request.count;
        return {
          async differentiate(images: Float32Array) {
            const { count, height, width } = part.request;
            const batch = { data: images, count, height, width };
            const result = await loss.differentiate(batch, part.observation, part.originals, own);
            return { loss: result.total, metrics: partsOf(result), gradient: result.gradient };
          },
        };
      });
      return { parts: losses, metrics: describe(observation, target) };
    },
  };
}
