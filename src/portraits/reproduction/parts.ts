/** The parts of the reproduction: their names, what they show, what they cost, and how they are made. */

import { figure6a, figure6b } from './gradient_figures.ts';
import { figure7 } from './gradient_paths.ts';
import { compareModes } from './mode_comparison.ts';
import { genderRace } from './occupations_run.ts';
import { figure8, figure9 } from './people_figures.ts';
import { CONCEPTS } from './runs.ts';
import type { Budget, MeasureBudget, RunBudget } from './settings.ts';
import { EXPLODING_GUIDANCE_SCALE, GUIDANCE_SCALES, LEARNING_RATES } from './settings.ts';
import { TRAINED, table1, table2, trainedBudget } from './tables.ts';
import type { Laboratory, PartResult } from './types.ts';

/** A part. */
export interface Part {
  readonly name: string;
  /** What it shows, in a few words. */
  readonly summary: string;
  /** What its numbers follow from, besides {@link commonSettings}, model and software: another value of it makes it anew. */
  settings(budget: Budget): unknown;
  /** U-Net evaluations of one image, without those of the runs that it shares with other parts. */
  units(budget: Budget): number;
  /** Runs that parts share, by name, with their units. */
  readonly shared?: (budget: Budget) => Readonly<Record<string, number>>;
  make(lab: Laboratory): Promise<PartResult>;
}

/** A differentiated evaluation costs as much as three. */
const DIFFERENTIATED = 3;

/**
 * Units of a run: images of `models` models with guidance (the frozen one's are drawn where the loss compares with them), and the gradient
 * through `branches` of guidance's two.
 */
function trainUnits(
  { iterations, prompts, images, steps, timesteps }: RunBudget,
  { models = 2, branches = 1 } = {},
): number {
  return iterations * prompts * images * (2 * models * steps + DIFFERENTIATED * branches * timesteps);
}

/** Units of measuring `models` models. */
function measureUnits({ measureSteps }: Budget, { prompts, images }: MeasureBudget, models: number): number {
  return prompts * images * models * 2 * measureSteps;
}

const concepts = ({ concepts: run }: Budget) => ({ 'many-concepts': trainUnits(run) });

/** Every part, the short ones first. */
export const PARTS: readonly Part[] = Object.freeze<Part[]>([
  {
    name: 'figure-7',
    summary: 'the paths of the gradient through the sampler',
    settings: ({ paths }) => paths,
    units: () => 0,
    make: figure7,
  },
  {
    name: 'figure-6b',
    summary: 'scale of the gradient by timestep under three gradients',
    settings: ({ scales }) => [scales, EXPLODING_GUIDANCE_SCALE, GUIDANCE_SCALES],
    units: ({ scales: { runs, steps } }) =>
      runs * steps * (2 + 2 * DIFFERENTIATED) * (2 * 3 + GUIDANCE_SCALES.length),
    make: figure6b,
  },
  {
    name: 'table-1',
    summary: 'prompt prefix, text encoder, U-Net or both: bias, CLIP-T, CLIP-I, DINO',
    settings: ({ table1: budget }) => [budget, LEARNING_RATES],
    units: (budget) =>
      TRAINED.reduce((sum, [, part]) => sum + trainUnits(trainedBudget(budget.table1, part)), 0) +
      measureUnits(budget, budget.table1.measure, 1 + TRAINED.length),
    make: table1,
  },
  {
    name: 'table-2',
    summary: 'occupations, sports, styled occupations, descriptors: bias before and after',
    settings: ({ concepts: budget }) => [budget, LEARNING_RATES],
    units: (budget) => CONCEPTS.length * measureUnits(budget, budget.concepts.measure, 2),
    shared: concepts,
    make: table2,
  },
  {
    name: 'figure-8',
    summary: 'images before and after from the same noise',
    settings: ({ concepts: budget, grids }) => [budget, grids, LEARNING_RATES],
    units: (budget) => measureUnits(budget, budget.grids, 2),
    shared: concepts,
    make: figure8,
  },
  {
    name: 'gender-race',
    summary: 'bias over gender and race after one run on occupations alone',
    settings: ({ occupations }) => [occupations, LEARNING_RATES],
    units: (budget) => trainUnits(budget.occupations) + measureUnits(budget, budget.occupations.measure, 2),
    make: genderRace,
  },
  {
    name: 'figure-9',
    summary: 'share of old people by occupation, before and after, aimed at 25%',
    settings: ({ age }) => [age, LEARNING_RATES],
    units: (budget) => trainUnits(budget.age) + measureUnits(budget, budget.age.measure, 2),
    make: figure9,
  },
  {
    name: 'figure-6a',
    summary: 'training loss towards a fixed image under three gradients',
    settings: ({ lossCurves }) => [lossCurves, EXPLODING_GUIDANCE_SCALE, 'float16'],
    // Two guidance scales by three gradients, and one run in float16, which processors convert to and fro at the cost of two.
    units: ({ lossCurves }) => (2 * 3 + 2) * trainUnits(lossCurves, { models: 1, branches: 2 }),
    make: figure6a,
  },
  {
    name: 'adjusted-reference',
    summary: 'iterations to the same bias with two sets of coefficients, over seeds',
    settings: ({ modes }) => [modes, LEARNING_RATES],
    units: ({ modes }) => {
      const validations = Math.ceil(modes.iterations / modes.every);
      const validation = modes.measure.prompts * modes.measure.images * 4 * modes.steps;
      return 2 * modes.seeds * (trainUnits(modes) + validations * validation);
    },
    make: compareModes,
  },
]);

/** What all parts follow from. */
export function commonSettings({ rank, measureSteps, guidanceScale, seed }: Budget): unknown {
  return { rank, measureSteps, guidanceScale, seed };
}

/** Units of parts together; a run that several share counts once. */
export function unitsOf(parts: readonly Part[], budget: Budget): number {
  const shared = Object.assign({}, ...parts.map((part) => part.shared?.(budget) ?? {})) as Record<
    string,
    number
  >;
  const own = parts.reduce((sum, part) => sum + part.units(budget), 0);
  return own + Object.values(shared).reduce((sum, units) => sum + units, 0);
}
