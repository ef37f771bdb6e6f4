/** Figure 7: the paths of the gradient through the sampler that is really used, unadjusted and adjusted. */

import { createPlan } from '../../diffusion/schedulers/create_plan.ts';
import type { SamplerPlan } from '../../diffusion/schedulers/plan.ts';
import { asEpsilonPlan } from '../../diffusion/schedulers/plan.ts';
import type { DiagramEdge, DiagramNode, PathDiagram } from '../../evaluate/figures.ts';
import { pathDiagram } from '../../evaluate/figures.ts';
import { cotangentWeights } from '../../finetune/gradient_coefficients.ts';
import { chartFigure, resultNumber } from './measures.ts';
import type { Laboratory, PartResult } from './types.ts';

const latentsOf = (i: number) => `z${i}`;
const noiseOf = (i: number) => `e${i}`;
const rounded = (value: number) => value.toFixed(2);

/**
 * Nodes z_i and eps_i of a plan, and its edges: every term of every update with its weight, and the noise predictions' own
 * dependence on the latents.
 */
export function planGraph(plan: SamplerPlan): {
  readonly nodes: readonly DiagramNode[];
  /** Edges of updates; of the denoiser, from z_i to eps_i. */
  readonly updates: readonly (DiagramEdge & { readonly weight: number })[];
  readonly denoiser: readonly DiagramEdge[];
} {
  const count = plan.steps.length;
  const nodes: DiagramNode[] = [];
  for (let i = 0; i <= count; i++) {
    const name = i === count ? 'z(0)' : `z(${Math.round(plan.steps[i]!.timestep)})`;
    nodes.push({ id: latentsOf(i), label: name, column: i, row: 0 });
    if (i < count) nodes.push({ id: noiseOf(i), label: `eps ${i + 1}`, column: i + 0.5, row: 1 });
  }
  const updates = plan.steps.flatMap(({ update }, i) => [
    ...update.latents.map(({ index, weight }) => ({ from: latentsOf(index), to: latentsOf(i + 1), weight })),
    ...update.outputs.map(({ index, weight }) => ({ from: noiseOf(index), to: latentsOf(i + 1), weight })),
  ]);
  const denoiser = plan.steps.map((_, i) => ({ from: latentsOf(i), to: noiseOf(i) }));
  return { nodes, updates: updates.filter(({ weight }) => weight !== 0), denoiser };
}

/** The two panels of the figure from a plan. */
export function gradientPaths(plan: SamplerPlan): PathDiagram {
  const epsilon = asEpsilonPlan(plan);
  const { nodes, updates, denoiser } = planGraph(epsilon);
  const { coefficients, outputWeights } = cotangentWeights(epsilon, 'adjusted');
  const backwards = (edge: DiagramEdge, series: number) => ({ from: edge.to, to: edge.from, series });
  const sampling = [...updates.map((edge) => ({ ...edge, label: rounded(edge.weight) })), ...denoiser];
  const factors = [...coefficients]
    .map((c, i) => `eps ${i + 1}: ${rounded(c * outputWeights[i]!)}`)
    .join('   ');
  return {
    title: 'Paths of the gradient through the sampler',
    description:
      'Sampling as solid lines with the weights of each update; dashed arrows are the gradient. Unadjusted, it also passes ' +
      'through every noise prediction to the latents before it; adjusted, each noise prediction receives it directly.',
    series: ['through updates', 'through noise predictions, to earlier steps'],
    panels: [
      {
        title: 'Unadjusted: the exact gradient',
        nodes,
        edges: [
          ...sampling,
          ...updates.map((edge) => backwards(edge, 0)),
          ...denoiser.map((edge) => backwards(edge, 1)),
        ],
      },
      {
        title: `Adjusted: factor of dL/dz(0) at each noise prediction   ${factors}`,
        nodes,
        edges: [...sampling, ...updates.map((edge) => backwards(edge, 0))],
      },
    ],
  };
}

/** Figure 7, with the numbers that it shows. */
export async function figure7({ pipeline, budget }: Laboratory): Promise<PartResult> {
  const plan = createPlan({ scheduler: pipeline.model.scheduler, steps: budget.paths.steps });
  const epsilon = asEpsilonPlan(plan);
  const { coefficients, outputWeights } = cotangentWeights(epsilon, 'adjusted');
  const numbers = [...outputWeights].flatMap((weight, i) => {
    const row = `step ${i + 1}, t = ${Math.round(epsilon.steps[i]!.timestep)}`;
    return [
      resultNumber({ row, measure: 'b, weight in z(0)', value: weight }),
      resultNumber({ row, measure: 'C, coefficient', value: coefficients[i]! }),
      resultNumber({ row, measure: 'C b', value: coefficients[i]! * weight }),
    ];
  });
  const caption = `Drawn from the updates of ${pipeline.model.scheduler.scheduler} at ${budget.paths.steps} steps.`;
  return {
    title: 'Figure 7: the paths of the gradient',
    text: [
      'z is linear in the noise predictions. The unadjusted gradient also runs through each prediction to the latents it was ' +
        'made from, and so multiplies the Jacobians of all later predictions; the adjusted gradient stops there, and its ' +
        'factor is the same size at every step.',
    ],
    numbers,
    figures: [chartFigure('figure-7', caption, (style) => pathDiagram(gradientPaths(plan), style))],
  };
}
