/** Figures 6a and 6b: what the three gradients do to the training loss, and how large they are by timestep. */

import { NO_ADAPTER } from '../../diffusion/adapter.ts';
import type { Precision } from '../../diffusion/precision.ts';
import { lineChart } from '../../evaluate/figures.ts';
import { createImageEncodings } from '../../fairness/index.ts';
import { drawImages } from '../../finetune/drawing.ts';
import type { GradientMode } from '../../finetune/gradient_coefficients.ts';
import type { ModeScales } from '../../finetune/gradient_scales.ts';
import { measureParameterScales } from '../../finetune/parameter_scales.ts';
import type { ImageScore } from '../../finetune/score_objective.ts';
import { scoreObjective } from '../../finetune/score_objective.ts';
import type { FinetuneSettings } from '../../finetune/settings.ts';
import { add, constant, cosineDistance } from '../../graph/index.ts';
import { chartFigure, INTERVALS, meanWithInterval, resultNumber } from './measures.ts';
import { EXPLODING_GUIDANCE_SCALE, GUIDANCE_SCALES } from './settings.ts';
import type { DrawnFigure, Laboratory, PartResult } from './types.ts';

/** The three gradients in the order of the figures. */
const MODES: readonly GradientMode[] = Object.freeze(['unadjusted', 'adjusted', 'uncoupled']);

const NAMES: Readonly<Record<string, string>> = Object.freeze({
  unadjusted: 'unadjusted',
  adjusted: 'adjusted',
  uncoupled: 'uncoupled, A not standardised',
});

/** A gradient, and what it is taken with. */
interface GradientRun {
  readonly mode: GradientMode;
  readonly guidanceScale: number;
  /** float32 when left out. */
  readonly precision?: Precision;
}

/** Row of a gradient, with its guidance scale where that is not the model's own, and its precision where that is given. */
function rowOf(lab: Laboratory, { mode, guidanceScale, precision }: GradientRun): string {
  const guidance = guidanceScale === ownGuidance(lab) ? undefined : `guidance scale ${guidanceScale}`;
  return joinGiven(', ', NAMES[mode], guidance, precision);
}

/** What is given of some words, with a separator between. */
function joinGiven(separator: string, ...words: readonly (string | undefined)[]): string {
  return words.filter((word) => word !== undefined).join(separator);
}

const PROMPT = 'a photo of the face of a doctor, a person';

/** Seed of the image that is the target; training draws from others. */
const TARGET_SEED = 7;

/** Training losses of one run. */
interface LossCurve extends GradientRun {
  readonly losses: readonly number[];
}

/**
 * Figure 6a: the image semantics loss towards one fixed image, while finetuning with each gradient; with the model's own guidance
 * scale, and with one at which the unadjusted gradient explodes. There it is taken in float16, too, in which the method's
 * experiments compute ([0119]).
 */
export async function figure6a(lab: Laboratory): Promise<PartResult> {
  const { lossCurves: budget } = lab.budget;
  const own = ownGuidance(lab);
  const objective = scoreObjective(lab.runtime, await fixedImageScore(lab), { direction: 'minimise' });
  const curves: LossCurve[] = [];
  const train = async (runs: readonly GradientRun[], precision?: Precision) => {
    const pipeline = lab.openPipeline(budget.images, precision);
    try {
      for (const { mode, guidanceScale } of runs) {
        const run = { mode, guidanceScale, ...(precision && { precision }) };
        const name = joinGiven('-', 'figure-6a', mode, precision);
        const log = await lab.trainOwn(name, { pipeline, objective, settings: settingsOf(lab, run) });
        curves.push({ ...run, losses: log.map(({ loss }) => loss ?? Number.NaN) });
      }
    } finally {
      await pipeline.release();
    }
  };
  try {
    await train(
      [own, EXPLODING_GUIDANCE_SCALE].flatMap((guidanceScale) =>
        MODES.map((mode) => ({ mode, guidanceScale })),
      ),
    );
    await train([{ mode: 'unadjusted', guidanceScale: EXPLODING_GUIDANCE_SCALE }], 'float16');
  } finally {
    await objective.release();
  }
  const numbers = curves.flatMap(({ losses, ...run }) =>
    [
      ['loss at first', losses.slice(0, budget.averageOver)],
      ['loss at last', losses.slice(-budget.averageOver)],
    ].map(([measure, values]) =>
      resultNumber({
        row: rowOf(lab, run),
        measure: measure as string,
        ...meanWithInterval(values as number[]),
        interval: INTERVALS.iterations,
      }),
    ),
  );
  return {
    title: 'Figure 6a: training loss under three gradients',
    text: [
      `LoRA on the U-Net, ${budget.iterations} iterations of ${budget.images} images with ${budget.steps} sampling steps, ` +
        'every one of which receives the gradient; the loss compares every image with the same image by CLIP and DINO. ' +
        `"At first" and "at last" are means over ${budget.averageOver} iterations.`,
      `Portraits' own guidance scale is ${own}; at ${EXPLODING_GUIDANCE_SCALE}, in the second chart, the unadjusted gradient ` +
        'explodes towards the first steps (figure 6b). There it is taken in float16 as well, in which the published experiments compute.',
    ],
    numbers,
    figures: [
      lossChart('figure-6a', own, curves),
      lossChart('figure-6a-guidance', EXPLODING_GUIDANCE_SCALE, curves),
    ],
  };
}

function ownGuidance({ budget, pipeline }: Laboratory): number {
  return budget.guidanceScale ?? pipeline.model.defaultGuidanceScale;
}

function lossChart(name: string, guidanceScale: number, curves: readonly LossCurve[]): DrawnFigure {
  return chartFigure(name, 'Faint: each iteration; strong: exponential average.', (style) =>
    lineChart(
      {
        title: `Training loss towards one fixed image, guidance scale ${guidanceScale}`,
        description: `Image semantics loss by iteration under the three gradients at guidance scale ${guidanceScale}.`,
        xLabel: 'iteration',
        yLabel: 'image semantics loss',
        series: curves
          .filter((curve) => curve.guidanceScale === guidanceScale)
          .map(({ mode, precision, losses }) => ({
            label: joinGiven(', ', NAMES[mode], precision),
            points: losses.map((y, i) => ({ x: i + 1, y })),
            smoothing: 0.9,
          })),
      },
      style,
    ),
  );
}

/** Distance to one image of the frozen model by every encoder: the image semantics loss with a fixed target. */
async function fixedImageScore(lab: Laboratory): Promise<ImageScore> {
  const { lossCurves } = lab.budget;
  const { pipeline } = lab;
  const encoders = lab.encoders();
  const data = await drawImages(pipeline, {
    prompt: PROMPT,
    negativePrompt: '',
    guidanceScale: ownGuidance(lab),
    seeds: [TARGET_SEED],
    steps: lossCurves.steps,
    adapter: NO_ADAPTER,
  });
  const side = pipeline.model.defaultSide;
  const encodings = createImageEncodings(lab.runtime, encoders, 1);
  const features = await encodings.encode({ data, count: 1, height: side, width: side });
  await encodings.release();
  return {
    name: 'semantics',
    score(images) {
      const distances = encoders.map(({ name, dimension, encode }) => {
        const count = images.shape[0]!;
        const rows = new Float32Array(count * dimension);
        for (let i = 0; i < count; i++) rows.set(features[name]!, i * dimension);
        return cosineDistance(encode(images), constant(rows, [count, dimension]));
      });
      return distances.reduce((sum, each) => add(sum, each));
    },
  };
}

function settingsOf(
  { budget }: Laboratory,
  { mode, guidanceScale, precision }: GradientRun,
): Omit<FinetuneSettings, 'directory'> {
  const { iterations, images, steps, learningRate } = budget.lossCurves;
  return {
    part: { kind: 'unet', rank: budget.rank },
    seed: 1,
    iterations,
    imagesPerPrompt: images,
    prompts: [PROMPT],
    negativePrompt: '',
    samplingSteps: [steps, steps],
    guidanceScale,
    learningRate,
    weightDecay: 0.01,
    betas: [0.9, 0.999],
    clipNorm: 1,
    averageDecay: 0.95,
    gradient: { mode, branches: 'both' },
    validation: { every: 0, prompts: [PROMPT], imagesPerPrompt: 1, samplingSteps: steps },
    checkpointEvery: Math.max(1, Math.min(10, iterations)),
    digest: joinGiven(
      ' ',
      `figure 6a ${mode} ${guidanceScale} ${JSON.stringify(budget.lossCurves)}`,
      precision,
    ),
  };
}

/**
 * Figure 6b: the gradient that each timestep adds to the U-Net's weights for a random dL/dz_0, at the model's own guidance scale
 * and at one at which the unadjusted gradient explodes, and how that one grows with the guidance scale.
 */
export async function figure6b(lab: Laboratory): Promise<PartResult> {
  const { scales } = lab.budget;
  const pipeline = lab.openPipeline(1);
  const own = ownGuidance(lab);
  const scalesOf = (modes: readonly GradientMode[], guidanceScale: number) =>
    measureParameterScales(pipeline, {
      part: { kind: 'unet', rank: lab.budget.rank },
      modes,
      prompts: lab.prompts('occupations', 'train', scales.runs),
      runs: scales.runs,
      steps: scales.steps,
      guidanceScale,
      seed: 100,
      onRun: (done, all) => lab.progress(`gradient scales, guidance ${guidanceScale}`, done, all),
      signal: lab.signal,
    });
  const curvesOf = async (modes: readonly GradientMode[], guidanceScale: number): Promise<ScaleCurve[]> =>
    (await scalesOf(modes, guidanceScale)).map(({ mode, timesteps }) => ({ mode, guidanceScale, timesteps }));
  const curves: ScaleCurve[] = [];
  try {
    for (const guidanceScale of [own, EXPLODING_GUIDANCE_SCALE]) {
      curves.push(...(await curvesOf(MODES, guidanceScale)));
    }
    for (const guidanceScale of GUIDANCE_SCALES)
      curves.push(...(await curvesOf(['unadjusted'], guidanceScale)));
  } finally {
    await pipeline.release();
  }
  const numbers = curves.flatMap((curve) =>
    curve.timesteps.map(({ timestep, mean, low, high }) =>
      resultNumber({
        row: `${rowOf(lab, curve)}, t = ${Math.round(timestep)}`,
        measure: 'gradient norm',
        value: mean,
        low,
        high,
        interval: INTERVALS.middle,
      }),
    ),
  );
  const ratios = curves.flatMap((curve) => {
    const row = rowOf(lab, curve);
    const means = curve.timesteps.map(({ mean }) => mean);
    const [first, middle] = [means[0]!, means[Math.floor(means.length / 2)]!];
    return [
      resultNumber({
        row,
        measure: 'largest over smallest mean',
        value: Math.max(...means) / Math.min(...means),
      }),
      resultNumber({ row, measure: 'first step over the middle one', value: first / middle }),
    ];
  });
  return {
    title: 'Figure 6b: scale of the gradient by timestep',
    text: [
      `${scales.runs} runs with ${scales.steps} sampling steps: dL/dz_0 is a random Gaussian R of variance 1e-4, and the scale ` +
        "is the norm of what a timestep adds to the gradient of the U-Net's low-rank updates. The coefficients are those of " +
        'the sampler that is used, normalised by their geometric mean for the adjusted gradient.',
      'The published unadjusted gradient grows towards the first steps, for it multiplies the Jacobians of all later noise ' +
        "predictions, and guidance stretches each of them. Portraits' U-Net is small and its own guidance scale is " +
        `${own}, at which nothing explodes. At ${EXPLODING_GUIDANCE_SCALE} it does, in the second chart; the third takes the ` +
        'unadjusted gradient alone at other guidance scales.',
    ],
    numbers: [...ratios, ...numbers],
    figures: [
      scaleChart(
        'figure-6b',
        'Scale of the gradient by timestep',
        'under the three gradients',
        curves.filter(({ guidanceScale }) => guidanceScale === own),
        ({ mode }) => NAMES[mode]!,
      ),
      scaleChart(
        'figure-6b-exploding',
        `Scale of the gradient by timestep, guidance scale ${EXPLODING_GUIDANCE_SCALE}`,
        'under the three gradients, at a guidance scale at which the unadjusted one explodes',
        curves.filter(({ guidanceScale }) => guidanceScale === EXPLODING_GUIDANCE_SCALE),
        ({ mode }) => NAMES[mode]!,
      ),
      scaleChart(
        'figure-6b-guidance',
        'Scale of the unadjusted gradient by timestep and guidance scale',
        'without adjustment, at several guidance scales',
        curves
          .filter(({ mode }) => mode === 'unadjusted')
          .sort((one, other) => one.guidanceScale - other.guidanceScale),
        ({ guidanceScale }) => `guidance scale ${guidanceScale}`,
      ),
    ],
  };
}

/** Scales by timestep, in the order of the sampler. */
interface ScaleCurve extends GradientRun {
  readonly timesteps: ModeScales['timesteps'];
}

function scaleChart(
  name: string,
  title: string,
  how: string,
  curves: readonly ScaleCurve[],
  labelOf: (curve: ScaleCurve) => string,
): DrawnFigure {
  return chartFigure(name, 'Mean and middle 90% of the runs.', (style) =>
    lineChart(
      {
        title,
        description: `Norm of the gradient of the U-Net at each timestep ${how}.`,
        xLabel: 'timestep',
        yLabel: 'norm of the gradient',
        yScale: 'log',
        series: curves.map((curve) => {
          const ascending = [...curve.timesteps].sort((a, b) => a.timestep - b.timestep);
          return {
            label: labelOf(curve),
            points: ascending.map(({ timestep, mean }) => ({ x: timestep, y: mean })),
            band: ascending.map(({ timestep, low, high }) => ({ x: timestep, low, high })),
          };
        }),
      },
      style,
    ),
  );
}
