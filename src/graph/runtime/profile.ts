/** Summaries of the operator profiles that ONNX Runtime writes. */

import { readFile } from 'node:fs/promises';

/** Time that one kind of operator, or one scope of the model, took. */
export interface ProfileEntry {
  /** ONNX operator type with the execution provider, for example `Conv (CPU)`; or the scope, for example `unet.mid/conv2d`. */
  readonly name: string;
  readonly milliseconds: number;
  /** Kernel executions. */
  readonly calls: number;
  /** Part of the total kernel time, 0..1. */
  readonly share: number;
}

interface KernelEvent {
  readonly cat?: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: { readonly op_name?: string; readonly provider?: string };
}

const KERNEL_SUFFIX = '_kernel_time';

/**
 * Adds up the kernel times of a profile, longest first.
 * @param file profile that ONNX Runtime wrote (`release()` of a graph compiled with the `profile` setting names it)
 * @param by what to add up: operator types, or the scopes in which the nodes were made
 * @throws Error when the file is no ONNX Runtime profile
 */
export async function summarizeProfile(
  file: string,
  by: 'operator' | 'scope' = 'operator',
): Promise<ProfileEntry[]> {
  const sums = new Map<string, { milliseconds: number; calls: number }>();
  let total = 0;
  for (const event of parseEvents(await readFile(file, 'utf8'), file)) {
    if (event.cat !== 'Node' || !event.name.endsWith(KERNEL_SUFFIX)) continue;
    const name = by === 'operator' ? operatorName(event) : scopeName(event);
    const entry = sums.get(name) ?? { milliseconds: 0, calls: 0 };
    entry.milliseconds += event.dur / 1000;
    entry.calls++;
    total += event.dur / 1000;
    sums.set(name, entry);
  }
  return [...sums]
    .map(([name, entry]) => ({ name, ...entry, share: total === 0 ? 0 : entry.milliseconds / total }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

function parseEvents(text: string, file: string): readonly KernelEvent[] {
  let events: unknown;
  try {
    events = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file}: expected a profile of ONNX Runtime, received no JSON`, { cause: error });
  }
  if (!Array.isArray(events))
    throw new Error(`${file}: expected a list of events, received ${typeof events}`);
  return events;
}

function operatorName({ args }: KernelEvent): string {
  const provider = (args.provider ?? 'unknown').replace('ExecutionProvider', '');
  return `${args.op_name ?? 'unknown'} (${provider})`;
}

/** Node names are `scope/operator#number`; fused nodes keep the name of one of their parts. */
function scopeName({ name }: KernelEvent): string {
  return name.slice(0, -KERNEL_SUFFIX.length).replace(/#\d+.*$/, '');
}
