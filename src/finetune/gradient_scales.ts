/** How large the gradient is that reaches each timestep under each gradient mode: the data of figure 6b. */

import type { Adapter } from '../diffusion/adapter.ts';
import type { GradientMode } from './gradient_coefficients.ts';
import type { IterationContext } from './iteration.ts';
import { computeIteration } from './iteration.ts';

/** Scale of the gradient at one timestep over several runs. */
export interface ScaleAtTimestep {
  readonly timestep: number;
  /** ||dL/d eps_i|| over all images of a run, coefficient included, one number a run. */
  readonly runs: readonly number[];
  readonly mean: number;
  /** Ends of the interval that holds the middle 90% of the runs. */
  readonly low: number;
  readonly high: number;
}

/** Scales under one gradient mode, noisiest timestep first. */
export interface ModeScales {
  readonly mode: GradientMode;
  readonly timesteps: readonly ScaleAtTimestep[];
}

/** Share of the runs between the ends of the interval. */
const INTERVAL = 0.9;

/**
 * Measures the scales of `runs` iterations with `steps` sampling steps each. A run has the same prompt and noise under every
 * mode; nothing is trained.
 * @param context settings give prompts, images, guidance and branches; every timestep takes part
 */
export async function measureGradientScales(
  context: IterationContext,
  adapter: Adapter,
  modes: readonly GradientMode[],
  { runs, steps }: { readonly runs: number; readonly steps: number },
  onRun: (done: number, all: number) => void = () => {},
): Promise<ModeScales[]> {
  const { settings } = context;
  const results: ModeScales[] = [];
  for (const mode of modes) {
    const gradient = { mode, branches: settings.gradient.branches };
    const each = { ...context, settings: { ...settings, gradient, samplingSteps: [steps, steps] as const } };
    const byTimestep = new Map<number, { readonly timestep: number; readonly runs: number[] }>();
    for (let run = 0; run < runs; run++) {
      const { scales } = await computeIteration(each, run, adapter);
      for (const { index, timestep, norms } of scales) {
        const entry = byTimestep.get(index) ?? { timestep, runs: [] };
        entry.runs.push(Math.hypot(...norms));
        byTimestep.set(index, entry);
      }
      onRun(results.length * runs + run + 1, modes.length * runs);
    }
    results.push({
      mode,
      timesteps: [...byTimestep].sort(([a], [b]) => a - b).map(([, entry]) => summarizeScales(entry)),
    });
  }
  return results;
}

/** Mean and the ends of the middle 90% of the runs' scales at one timestep. */
export function summarizeScales({
  timestep,
  runs,
}: {
  readonly timestep: number;
  readonly runs: readonly number[];
}): ScaleAtTimestep {
  const sorted = [...runs].sort((a, b) => a - b);
  const at = (probability: number) => {
    const position = probability * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(sorted.length - 1, below + 1);
    return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
  };
  return {
    timestep,
    runs,
    mean: runs.reduce((sum, value) => sum + value, 0) / runs.length,
    low: at((1 - INTERVAL) / 2),
    high: at((1 + INTERVAL) / 2),
  };
}
