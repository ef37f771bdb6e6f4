/** The method's run over gender and race together, on occupations alone. */

import { conceptNumbers, jointRunFigures } from './concept_numbers.ts';
import { runFields, sizeInWords } from './runs.ts';
import type { Laboratory, PartResult } from './types.ts';

/** Bias over gender, race and both on held-out occupations, before and after a run that sees occupations alone. */
export async function genderRace(lab: Laboratory): Promise<PartResult> {
  const { occupations: budget } = lab.budget;
  const { imageWeight, measure } = budget;
  const fields = runFields(lab, budget, { target: 'gender x race', part: 'text-encoder+unet', imageWeight });
  const run = await lab.train('gender-race', fields);
  const numbers = await conceptNumbers(lab, 'occupations', run, measure);
  return {
    title: 'Gender and race together, on occupations alone',
    text: [
      `One run of ${sizeInWords(budget)}, text encoder and U-Net, towards equal shares of the eight groups of gender and race, with a ` +
        `weight of ${imageWeight} on the image semantics loss. Measured on ${measure.prompts} held-out occupations, ${measure.images} images of ` +
        'each, by a classifier that no training has seen. The published numbers beside it are those of the run over many concepts: of this ' +
        'run none are given.',
    ],
    numbers,
    figures: jointRunFigures('gender-race', 'on occupations', numbers, run),
    runs: [run],
  };
}
