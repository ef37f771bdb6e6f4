/** Tensors that single-file checkpoints carry though the model has no use for them, each with the reason. */

/** A kind of left-over tensor that is no fault. */
export interface HarmlessTensors {
  /** Matches the whole name. */
  readonly pattern: RegExp;
  /** Why it may be left out. */
  readonly reason: string;
}

const SCHEDULE = [
  'betas',
  '(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?',
  'sqrt_recip(m1)?_alphas_cumprod',
  'posterior_(variance|log_variance_clipped|mean_coef[12])',
  'logvar',
  'lvlb_weights',
  'scale_factor',
].join('|');

/** All that may be left over; anything else is a fault of the file. */
export const HARMLESS: readonly HarmlessTensors[] = Object.freeze([
  { pattern: /^model_ema\./, reason: 'a second copy of the U-Net, the moving average of its training' },
  {
    pattern: new RegExp(`^(${SCHEDULE})$`),
    reason: 'the noise schedule, which is computed from its formula',
  },
  { pattern: /^denoiser\.sigmas$/, reason: 'the noise schedule, which is computed from its formula' },
  { pattern: /^(global_step|epoch|v_pred)$/, reason: 'a mark of the training, no weight' },
  {
    pattern: /(^|\.)position_ids$/,
    reason: 'the positions 0, 1, 2, ... that old versions of transformers saved',
  },
  { pattern: /^first_stage_model\.loss\./, reason: 'the discriminator that trained the autoencoder' },
  {
    pattern: /^cond_stage_model\.model\.(text_projection|logit_scale|attn_mask)$/,
    reason: 'parts of contrastive training; the text encoder conditions on tokens',
  },
  {
    pattern: /^cond_stage_model\.(logit_scale|text_projection|transformer\.text_projection\.weight)$/,
    reason: 'parts of contrastive training; the text encoder conditions on tokens',
  },
]);

/** The last layer of OpenCLIP, which Stable Diffusion 2 does not use: it conditions on the state before it. */
export function unusedOpenClipLayer(layer: number): HarmlessTensors {
  return {
    pattern: new RegExp(`^cond_stage_model\\.model\\.transformer\\.resblocks\\.${layer}\\.`),
    reason: 'the last layer of OpenCLIP, after the state that Stable Diffusion 2 conditions on',
  };
}

/** Those of `names` that no rule excuses. */
export function withoutHarmless(
  names: readonly string[],
  rules: readonly HarmlessTensors[] = HARMLESS,
): string[] {
  return names.filter((name) => !rules.some(({ pattern }) => pattern.test(name)));
}
