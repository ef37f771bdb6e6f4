/** Models as browsers run them: everything that drawing needs, in one answer and one file. */

import { z } from '@hono/zod-openapi';

const settings = z.record(z.string(), z.unknown());

/** What a browser needs besides the weights to draw with a model. */
export const browserModelSchema = z
  .object({
    /** Name on this server, and name of its folder. */
    name: z.string(),
    folder: z.string(),
    /** SHA-256 of the weights that images are told by, as in images that the server draws. */
    modelHash: z.string(),
    /** One `.safetensors` file: text encoder, U-Net and decoder, as they are stored; it never changes under its address. */
    weights: z.object({ url: z.string(), bytes: z.int(), sha256: z.string() }),
    /** `config.json` of each part; names of their weights begin with the part's name and a dot. */
    configs: z.object({ textEncoder: settings, unet: settings, vae: settings }),
    /** `scheduler_config.json`. */
    scheduler: settings,
    guidanceScale: z.number(),
    tokenizer: z.object({
      vocabulary: z.record(z.string(), z.int()),
      merges: z.array(z.string()),
      startToken: z.string(),
      endToken: z.string(),
      padToken: z.string(),
      maxLength: z.int(),
    }),
    /** Version of the server. */
    version: z.string(),
  })
  .openapi('BrowserModel');

/** See {@link browserModelSchema}. */
export type BrowserModel = z.infer<typeof browserModelSchema>;
