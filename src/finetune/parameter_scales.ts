/**
 * How large the gradient is that each timestep adds to the trained weights, for a random dL/dz_0: figure 6b as the
 * specification defines it (paragraph 0117), |R A_t B_t d eps/d theta|, |R A_t d eps/d theta| and |R d eps/d theta|.
 */

import { gaussianNoise } from '../diffusion/noise.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { drawLatents } from './drawing.ts';
import type { GradientMode } from './gradient_coefficients.ts';
import type { ModeScales } from './gradient_scales.ts';
import { summarizeScales } from './gradient_scales.ts';
import { chooseRoute } from './timestep_choice.ts';
import type { TrainedPart } from './trained_part.ts';
import { initialAdapter } from './trained_part.ts';

/** What is drawn and differentiated. */
export interface ParameterScalesRequest {
  /** A part that includes weights of the U-Net. */
  readonly part: TrainedPart;
  readonly modes: readonly GradientMode[];
  /** Run i draws one image of prompt i, taken in turn. */
  readonly prompts: readonly string[];
  readonly runs: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly seed: number;
  readonly onRun?: (done: number, all: number) => void;
  readonly signal?: AbortSignal;
}

/** Deviation of R: its variance is 1e-4. */
const DEVIATION = 0.01;

/**
 * Measures the scales: in each run one image and one R ~ N(0, 1e-4 I) for dL/dz_0, the same under every mode; the scale at a
 * timestep is the norm of the gradient that it alone adds to the U-Net's trained weights.
 * @param pipeline draws one image at a time, so that gradients are those of single images
 * @throws Error when the part trains nothing in the U-Net
 */
export async function measureParameterScales(
  pipeline: TextToImagePipeline,
  request: ParameterScalesRequest,
): Promise<ModeScales[]> {
  const { part, modes, prompts, runs, steps, guidanceScale, seed, signal } = request;
  const adapter = initialAdapter(pipeline.model, part, seed);
  const differentiate = new DirectFinetuning(pipeline);
  const found = modes.map(() => new Map<number, { readonly timestep: number; readonly runs: number[] }>());
  try {
    for (let run = 0; run < runs; run++) {
      const drawn = await drawLatents(pipeline, {
        prompt: prompts[run % prompts.length]!,
        negativePrompt: '',
        guidanceScale,
        seeds: [seed + run],
        steps,
        adapter,
        keepTrajectory: true,
        signal,
      });
      const latentGradient = gaussianNoise(
        { seed, index: run, stream: 'random cotangent' },
        drawn.latents.length,
      ).map((value) => value * DEVIATION);
      for (const [m, mode] of modes.entries()) {
        const squares = new Map<number, number>();
        await differentiate.backward({
          ...drawn,
          trajectory: drawn.trajectory!,
          latentGradient,
          adapter,
          route: chooseRoute(drawn.plan, mode, undefined, { seed, iteration: run }),
          branches: 'both',
          conditions: false,
          onGradients(index, gradients) {
            squares.set(index, (squares.get(index) ?? 0) + sumOfSquares(gradients));
          },
          ...(signal ? { signal } : {}),
        });
        if (squares.size === 0 || [...squares.values()].every((value) => value === 0))
          throw new Error(
            `gradient scales: expected a part with weights of the U-Net, received ${part.kind}`,
          );
        for (const [index, square] of squares) {
          const entry = found[m]!.get(index) ?? { timestep: drawn.plan.steps[index]!.timestep, runs: [] };
          entry.runs.push(Math.sqrt(square));
          found[m]!.set(index, entry);
        }
      }
      request.onRun?.(run + 1, runs);
    }
  } finally {
    await differentiate.release();
  }
  return modes.map((mode, m) => ({
    mode,
    timesteps: [...found[m]!].sort(([a], [b]) => a - b).map(([, entry]) => summarizeScales(entry)),
  }));
}

function sumOfSquares(gradients: Readonly<Record<string, Float32Array>>): number {
  let sum = 0;
  for (const values of Object.values(gradients)) for (const value of values) sum += value * value;
  return sum;
}
