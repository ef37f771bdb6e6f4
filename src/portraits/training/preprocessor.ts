/** Writes `preprocessor_config.json` of the companions of Portraits: how images become inputs in -1..1. */

import path from 'node:path';
import { writeJson } from './export.ts';

/** Value of `resample` for bilinear interpolation in transformers' (and Pillow's) numbering. */
const BILINEAR = 2;

/**
 * Writes the preprocessing that the models of Portraits share, in transformers' terms: RGB bytes divided by 255, mean and
 * deviation .5 in every channel (so -1..1), squares of `side` pixels.
 * @param type name of transformers' image processor, such as `BitImageProcessor`
 */
export function writePreprocessor(output: string, component: string, side: number, type: string): void {
  writeJson(path.join(output, component, 'preprocessor_config.json'), {
    image_processor_type: type,
    do_convert_rgb: true,
    do_resize: true,
    size: { height: side, width: side },
    resample: BILINEAR,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  });
}
