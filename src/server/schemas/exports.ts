/** Exports of the native API: an adapter in the format of another program. */

import { z } from '@hono/zod-openapi';
import { EXPORT_DTYPES, EXPORT_FORMATS } from '../../evaluate/export/formats.ts';

/** How an adapter is exported. */
export const exportQuery = z.object({
  /** `kohya`, of soft tokens `textual-inversion`, when left out. */
  format: z.enum(EXPORT_FORMATS).optional(),
  /** Element type of the weights: `float32` when left out, of merged models as they are stored. */
  dtype: z.enum(EXPORT_DTYPES).optional(),
  /** Name of soft tokens, which diffusers takes from the file. */
  token: z.string().min(1).max(100).optional(),
});

/** An export that is ready. */
export const adapterExportSchema = z
  .object({
    format: z.enum(EXPORT_FORMATS),
    /** Name of the file: `.safetensors`, or `.tar` with a folder in it. */
    name: z.string(),
    bytes: z.int(),
    /** The evaluation whose measured bias is in the header; null where the adapter was not measured. */
    evaluation: z.string().nullable(),
    /** Address of the file, which is kept for some minutes and made again after. */
    url: z.string(),
  })
  .openapi('AdapterExport');
