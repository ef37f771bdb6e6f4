/** Weighted sums of a sampler's latents z_j and model outputs m_j, the only kind of update that samplers make. */

/** One summand: `weight` times the latents or the model output of evaluation `index`. */
export interface Term {
  readonly index: number;
  readonly weight: number;
}

/** sum of latents[k].weight z_{latents[k].index} + sum of outputs[k].weight m_{outputs[k].index}. */
export interface LinearForm {
  readonly latents: readonly Term[];
  readonly outputs: readonly Term[];
}

/** The form that is z_index alone. */
export function latentsAt(index: number): LinearForm {
  return { latents: [{ index, weight: 1 }], outputs: [] };
}

/** The form that is m_index alone. */
export function outputAt(index: number): LinearForm {
  return { latents: [], outputs: [{ index, weight: 1 }] };
}

/** The sum of factor * form over the pairs given; every index occurs once, newest first, without zero weights. */
export function combine(...parts: readonly (readonly [factor: number, form: LinearForm])[]): LinearForm {
  return {
    latents: merge(parts.map(([factor, form]) => [factor, form.latents])),
    outputs: merge(parts.map(([factor, form]) => [factor, form.outputs])),
  };
}

function merge(parts: readonly (readonly [factor: number, terms: readonly Term[]])[]): Term[] {
  const weights = new Map<number, number>();
  for (const [factor, terms] of parts) {
    for (const { index, weight } of terms) weights.set(index, (weights.get(index) ?? 0) + factor * weight);
  }
  return [...weights]
    .filter(([, weight]) => weight !== 0)
    .sort(([a], [b]) => b - a)
    .map(([index, weight]) => Object.freeze({ index, weight }));
}
