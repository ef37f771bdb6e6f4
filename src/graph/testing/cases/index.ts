/** The whole table of operator cases, by family. Every device runs all of it. */

import type { OperatorCase } from '../finite_differences.ts';
import { attentionCases } from './attention.ts';
import { convolutionCases } from './convolution.ts';
import { elementwiseCases } from './elementwise.ts';
import { normalizationCases } from './normalization.ts';
import { reductionCases } from './reduction.ts';
import { shapeCases } from './shape.ts';
import { spatialCases } from './spatial.ts';

/** Cases of every operator, by the family whose file defines it. */
export const OPERATOR_CASES: Readonly<Record<string, readonly OperatorCase[]>> = Object.freeze({
  attention: attentionCases,
  convolution: convolutionCases,
  elementwise: elementwiseCases,
  normalization: normalizationCases,
  reduction: reductionCases,
  shape: shapeCases,
  spatial: spatialCases,
});
