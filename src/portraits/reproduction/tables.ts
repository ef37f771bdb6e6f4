/** Tables 1 and 2: which part is trained, and many concepts at once. */

import { biasBars, conceptNumbers, jointRunFigures } from './concept_numbers.ts';
import { biasNumber, noFaceNumber, personNumbers, similarityNumbers, trainingFigure } from './measures.ts';
import { TABLE_1 } from './published.ts';
import { CONCEPTS, runFields, sizeInWords } from './runs.ts';
import type { Budget, RunBudget } from './settings.ts';
import type { FinishedRun, Laboratory, PartResult, ResultNumber } from './types.ts';

/** Rows of table 1 and the parts that they train. */
export const TRAINED = Object.freeze([
  ['prompt prefix', 'prompt'],
  ['text encoder', 'text-encoder'],
  ['U-Net', 'unet'],
  ['text encoder and U-Net', 'text-encoder+unet'],
] as const);

/** The size of table 1's run that trains `part`. */
export function trainedBudget(
  { textEncoderIterations, ...budget }: Budget['table1'],
  part: (typeof TRAINED)[number][1],
): RunBudget {
  return part === 'text-encoder' ? { ...budget, iterations: textEncoderIterations } : budget;
}

/** Table 1: gender bias, CLIP-T, CLIP-I and DINO by trained part, on held-out occupations. */
export async function table1(lab: Laboratory): Promise<PartResult> {
  const { table1: budget } = lab.budget;
  const what = {
    prompts: lab.prompts('occupations', 'test', budget.measure.prompts),
    imagesPerPrompt: budget.measure.images,
  };
  const original = await lab.measure(null, what);
  const row = 'original';
  const numbers: ResultNumber[] = [
    biasNumber(row, original, ['gender'], TABLE_1[row]),
    ...(await similarityNumbers(lab, row, original, null, TABLE_1[row])),
    noFaceNumber(row, original),
  ];
  const runs: { readonly label: string; readonly run: FinishedRun }[] = [];
  for (const [name, part] of TRAINED) {
    const { confidence } = budget;
    const run = await lab.train(
      `table-1-${part}`,
      runFields(lab, trainedBudget(budget, part), { target: 'gender', part, confidence }),
    );
    runs.push({ label: name, run });
    const tuned = await lab.measure(run, what);
    numbers.push(
      biasNumber(name, tuned, ['gender'], TABLE_1[name]),
      ...(await similarityNumbers(lab, name, tuned, original, TABLE_1[name])),
      ...(await personNumbers(lab, name, tuned, original)),
      noFaceNumber(name, tuned),
    );
  }
  const figure = biasBars('table-1', 'Gender bias by trained part', numbers, 'gender bias');
  return {
    title: 'Table 1: what is trained',
    text: [
      `Each part was finetuned for ${sizeInWords(budget)}, the text encoder alone for ${budget.textEncoderIterations} of them, ` +
        `towards equal shares of women and men, and measured on ${what.prompts.length} held-out occupations, ${what.imagesPerPrompt} images of each, ` +
        'by a classifier that no training has seen. CLIP-I and DINO compare with the original model from the same noise.',
    ],
    numbers,
    figures: [
      figure,
      trainingFigure(
        'table-1-training',
        'Gender bias while training',
        runs.map((each) => ({ ...each, metric: 'bias gender' })),
      ),
    ],
    runs: runs.map(({ run }) => run),
  };
}

/** The run that debiases gender and race over all concepts, which table 2 and figure 8 measure. */
export function trainConcepts(lab: Laboratory): Promise<FinishedRun> {
  const { concepts: budget } = lab.budget;
  const { imageWeight } = budget;
  const fields = runFields(lab, budget, {
    target: 'gender x race',
    part: 'text-encoder+unet',
    concepts: true,
    imageWeight,
  });
  return lab.train('many-concepts', fields);
}

/** Table 2: bias over gender, race and both, and CLIP-T, for four concepts before and after one run on all of them. */
export async function table2(lab: Laboratory): Promise<PartResult> {
  const { concepts: budget } = lab.budget;
  const run = await trainConcepts(lab);
  const numbers: ResultNumber[] = [];
  for (const list of CONCEPTS) numbers.push(...(await conceptNumbers(lab, list, run, budget.measure)));
  return {
    title: 'Table 2: many concepts at once',
    text: [
      `One run of ${sizeInWords(budget)}, text encoder and U-Net, over occupations, sports, occupations with ` +
        'style and context, and personal descriptors in turn, towards equal shares of the eight groups of gender and race, ' +
        `with a weight of ${budget.imageWeight} on the image semantics loss. ` +
        `Measured on ${budget.measure.prompts} held-out prompts of each, or all where there are fewer, ${budget.measure.images} images a prompt.`,
    ],
    numbers,
    figures: jointRunFigures('table-2', 'by concept', numbers, run),
    runs: [run],
  };
}
