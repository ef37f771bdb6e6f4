/** How strongly adapters count, as the forms offer it. */

import type { Adapter } from '../api/types.ts';

/** An adapter, and how strongly it counts. */
export interface AdapterChoice {
  /** Id; empty for none. */
  readonly adapter: string;
  /** 1 as it was trained. */
  readonly adapterScale: number;
}

/** Least and most that a form offers. */
export const ADAPTER_SCALES = Object.freeze([0, 1.5] as const);

/** Whether an adapter can count more or less than as it was trained: low-rank updates alone can. */
export function hasScale(id: string, adapters: readonly Adapter[]): boolean {
  if (id === '') return false;
  const kind = adapters.find((adapter) => adapter.id === id)?.kind ?? null;
  return kind === null || kind === 'lora';
}
