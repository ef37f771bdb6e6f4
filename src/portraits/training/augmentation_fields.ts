/** Recipe fields for the ranges of random views and colours. */

import { z } from 'zod';

/** Checked ranges of `randomView` and `randomColor`: shares of the view's side, factor, radians, probability, colour. */
export const augmentationSchema = z.strictObject({
  shift: z.number().min(0),
  zoom: z.number().min(1),
  angle: z.number().min(0),
  mirror: z.number().min(0).max(1),
  color: z.number().min(0),
});
