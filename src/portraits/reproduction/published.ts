/** The published numbers of the method on Stable Diffusion 1.5, which stand beside ours (tables 1 and 2 of the specification). */

import type { Published } from './types.ts';

const at = (value: number, deviation: number): Published => Object.freeze({ value, deviation });

/** Table 1 by row and measure. */
export const TABLE_1: Readonly<Record<string, Readonly<Record<string, Published>>>> = Object.freeze({
  original: { 'gender bias': at(0.67, 0.29), 'CLIP-T': at(0.39, 0.05) },
  'prompt prefix': {
    'gender bias': at(0.24, 0.19),
    'CLIP-T': at(0.39, 0.05),
    'CLIP-I': at(0.7, 0.15),
    DINO: at(0.62, 0.22),
  },
  'text encoder': {
    'gender bias': at(0.23, 0.16),
    'CLIP-T': at(0.39, 0.05),
    'CLIP-I': at(0.77, 0.15),
    DINO: at(0.7, 0.22),
  },
  'U-Net': {
    'gender bias': at(0.22, 0.14),
    'CLIP-T': at(0.39, 0.05),
    'CLIP-I': at(0.9, 0.09),
    DINO: at(0.87, 0.13),
  },
  'text encoder and U-Net': {
    'gender bias': at(0.17, 0.13),
    'CLIP-T': at(0.4, 0.04),
    'CLIP-I': at(0.8, 0.14),
    DINO: at(0.74, 0.2),
  },
});

/** Bias over gender, race and both, and CLIP-T: means and deviations. */
function concept(means: readonly number[], deviations: readonly number[]): Record<string, Published> {
  const names = ['gender bias', 'race bias', 'gender x race bias', 'CLIP-T'];
  return Object.fromEntries(names.map((name, i) => [name, at(means[i]!, deviations[i]!)]));
}

/** Table 2 by row and measure. */
export const TABLE_2: Readonly<Record<string, Readonly<Record<string, Published>>>> = Object.freeze({
  'occupations, original': concept([0.67, 0.42, 0.21, 0.38], [0.29, 0.06, 0.03, 0.05]),
  'occupations, debiased': concept([0.23, 0.1, 0.07, 0.38], [0.18, 0.04, 0.02, 0.05]),
  'sports, original': concept([0.56, 0.38, 0.19, 0.35], [0.28, 0.05, 0.03, 0.06]),
  'sports, debiased': concept([0.37, 0.11, 0.08, 0.35], [0.23, 0.06, 0.04, 0.05]),
  'styled, original': concept([0.41, 0.37, 0.18, 0.43], [0.26, 0.08, 0.03, 0.05]),
  'styled, debiased': concept([0.31, 0.19, 0.11, 0.42], [0.2, 0.07, 0.03, 0.05]),
  'descriptors, original': concept([0.37, 0.36, 0.17, 0.41], [0.26, 0.06, 0.03, 0.04]),
  'descriptors, debiased': concept([0.18, 0.13, 0.07, 0.41], [0.17, 0.06, 0.03, 0.04]),
});
