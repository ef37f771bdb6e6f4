/** Samplers by the names that AUTOMATIC1111 gives them. */

import type { SchedulerName } from '../diffusion/schedulers/scheduler_config.ts';

/** Names that AUTOMATIC1111 shows and writes into images. */
export const SAMPLER_LABELS: Readonly<Record<SchedulerName, string>> = Object.freeze({
  ddpm: 'DDPM',
  ddim: 'DDIM',
  pndm: 'PLMS',
  euler: 'Euler',
  'euler-ancestral': 'Euler a',
  'dpmsolver++': 'DPM++ 2M',
});

/** A sampler and its spacing as AUTOMATIC1111 names them, also in one: `DPM++ 2M Karras`; null for an unknown name. */
export function parseSamplerLabel(label: string): { scheduler: SchedulerName; karras: boolean } | null {
  const [, name = label, karras] = /^(.*?)( karras)?$/i.exec(label.trim()) ?? [];
  const wanted = name.trim().toLowerCase();
  const found = Object.entries(SAMPLER_LABELS).find(
    ([own, shown]) => own === wanted || shown.toLowerCase() === wanted,
  );
  return found === undefined ? null : { scheduler: found[0] as SchedulerName, karras: karras !== undefined };
}
