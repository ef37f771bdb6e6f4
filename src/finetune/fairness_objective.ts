/** The fairness loss as the objective of a finetuning run, and what validation measures of it. */

import { pairwiseBias, totalVariation } from '../fairness/bias.ts';
import type { ImageLoss, Observation, TargetDistribution } from '../fairness/index.ts';
import { largestClass, marginalTarget } from '../fairness/index.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';

/** Share of each class among images with a face, for one attribute; NaN without faces. */
function frequencies(observation: Observation, attribute: string, classes: number): number[] {
  const position = observation.attributes.findIndex(({ name }) => name === attribute);
  const counts = new Array<number>(classes).fill(0);
  let faces = 0;
  observation.selections.forEach(({ face }, image) => {
    if (face === null) return;
    const found = largestClass(observation.probabilities[position]!, image, classes);
    if (found === null) return;
    counts[found]!++;
    faces++;
  });
  return counts.map((count) => count / faces);
}

/**
 * Distributional alignment, image semantics and face realism with their weights, towards one target.
 *
 * Metrics: `align`, `face`, `image` (parts of the loss), `faces` (share of images with one), and for each attribute of the
 * target `bias NAME` (by the loss's own classifier) and `distance NAME` (total variation to the target's marginal).
 */
export function fairnessObjective(loss: ImageLoss, target: TargetDistribution): ImageObjective {
  const marginals = target.attributes.map((attribute) => ({
    attribute,
    shares: marginalTarget(target, attribute.name).shares,
  }));
  const describe = (observation: Observation, count: number): Record<string, number> => {
    const faces = observation.selections.filter(({ face }) => face !== null).length / count;
    const measured: Record<string, number> = { faces };
    for (const { attribute, shares } of marginals) {
      const found = frequencies(observation, attribute.name, attribute.classes.length);
      measured[`bias ${attribute.name}`] = pairwiseBias(found);
      measured[`distance ${attribute.name}`] = totalVariation(found, shares);
    }
    return measured;
  };
  const batchOf = ({ count, height, width }: ObjectiveRequest, data: Float32Array) => ({
    data,
    count,
    height,
    width,
  });
  return {
    async evaluate(request) {
      const images = batchOf(request, request.images);
      const originals = batchOf(request, request.originals);
      const result = await loss.evaluate({ images, originals, target, iteration: request.iteration });
      const { align, face, image } = result.parts;
      const metrics = { align, face, image, ...describe(result.observation, request.count) };
      return { loss: result.total, metrics, gradient: result.gradient };
    },
    async measure(request) {
      const observation = await loss.observe(batchOf(request, request.images));
      return describe(observation, request.count);
    },
  };
}
