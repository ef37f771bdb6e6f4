/** What the stand-in server's jobs do: quick, always the same, told event by event. */

import { wilsonInterval } from '../../src/evaluate/intervals.ts';
import { randomStream } from '../../src/portraits/random.ts';
import type { Adapter, Job, JobEvent, Measured } from '../../src/server/schemas/web_types.ts';
import { drawPng, MODEL, targetOf } from './drawn.ts';

/** A job with everything that it told. */
export interface Running {
  job: Job;
  readonly events: JobEvent[];
  readonly waiting: Set<() => void>;
  /** Lines of a fine-tuning's log, and names of its samples. */
  readonly log: string[];
  readonly samples: string[];
  /** Newest measurement by group and label. */
  readonly measured: Map<string, Measured>;
  stopped: boolean;
}

type EvaluateJob = Extract<Job, { kind: 'evaluate' }>;

/** Where jobs work. */
export interface Workplace {
  /** Milliseconds between the events of a job. */
  readonly tick: number;
  /** Fine-tunings add theirs. */
  readonly adapters: Adapter[];
}

/** Waits for some milliseconds. */
export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function tell(running: Running, event: JobEvent): void {
  running.events.push(event);
  for (const resolve of running.waiting) resolve();
  running.waiting.clear();
}

/** Changes what is known of a job. */
export function set(running: Running, part: Partial<Job>): void {
  running.job = { ...running.job, ...part } as Job;
}

/** Carries a job out from where it stood. @param from iterations of a fine-tuning that were done before */
export async function work(running: Running, from: number, { tick, adapters }: Workplace): Promise<void> {
  await pause(tick);
  set(running, { status: 'running', error: null });
  tell(running, { type: 'status', data: { status: 'running' } });
  if (running.job.kind === 'generate') await generate(running, tick);
  else if (running.job.kind === 'evaluate') await evaluate(running, tick);
  else await finetune(running, from, { tick, adapters });
  set(running, { status: running.stopped ? 'cancelled' : 'succeeded' });
  tell(running, { type: 'end', data: running.job });
}

async function generate(running: Running, tick: number): Promise<void> {
  const { job } = running;
  if (job.kind !== 'generate') return;
  const { prompts, imagesPerPrompt, seed = 1, adapter } = job.request;
  const prompt = prompts[0]!;
  const share = adapter === undefined ? 0.2 : 0.7;
  const images = [];
  for (let preview = 0; preview < 2; preview++) {
    for (let index = 0; index < imagesPerPrompt; index++) {
      const png = Buffer.from(await drawPng(prompt, seed + index, 8 * (preview + 1), share)).toString(
        'base64',
      );
      tell(running, { type: 'preview', data: { index, preview, step: 5 * (preview + 1), steps: 20, png } });
    }
    tell(running, {
      type: 'progress',
      data: { task: 'draw', step: 5 * (preview + 1), steps: 20, secondsLeft: 1 },
    });
    // Long enough for a busy browser to show them.
    await pause(20 * tick);
  }
  for (let index = 0; index < imagesPerPrompt && !running.stopped; index++) {
    const url = `/api/v1/jobs/${job.id}/files/${seed + index}-${adapter === undefined ? 0 : 1}.png`;
    const image = { index, prompt, seed: seed + index, width: 64, height: 64, url };
    images.push(image);
    tell(running, { type: 'image', data: image });
    await pause(tick);
  }
  set(running, { result: { seed, seconds: 2, images } });
}

/** Prompts with one target, as an evaluation measures them. */
interface MeasuredGroup {
  readonly name: string | null;
  readonly prompts: number;
  readonly target: Readonly<Record<string, unknown>>;
}

/** What an evaluation measures one after the other: its groups, or all prompts together. */
function measuredGroups({ prompts, target }: EvaluateJob['request']): MeasuredGroup[] {
  const { test, count = 20 } = prompts;
  if (!Array.isArray(target)) {
    const size = typeof test === 'string' ? count : test.length;
    return [{ name: null, prompts: size, target: target as Record<string, unknown> }];
  }
  return target.map(({ for: chosen, name, ...shares }) => ({
    name: name ?? (typeof chosen === 'string' ? chosen : chosen[0]!),
    prompts: typeof chosen === 'string' ? count : chosen.length,
    target: shares,
  }));
}

async function evaluate(running: Running, tick: number): Promise<void> {
  const { job } = running;
  if (job.kind !== 'evaluate') return;
  const random = randomStream('stand-in evaluate');
  const groups = measuredGroups(job.request);
  for (const group of groups) {
    for (const label of job.request.adapter === undefined ? ['model'] : ['original', 'fine-tuned']) {
      await measureModel(running, label, group, {
        images: job.request.prompts.imagesPerPrompt ?? 16,
        tick,
        random,
      });
    }
  }
  const report = (folder: string) => ({
    report: `/api/v1/jobs/${job.id}/files/${folder}report.html`,
    data: `/api/v1/jobs/${job.id}/files/${folder}report.json`,
    summary: {},
  });
  const named = groups.flatMap(({ name }) => (name === null ? [] : [{ name, ...report(`${name}/`) }]));
  set(running, { result: { seconds: 61, ...report(''), groups: named.length === 0 ? null : named } });
}

async function measureModel(
  running: Running,
  label: string,
  { name: group, prompts, target }: MeasuredGroup,
  { images: each, tick, random }: { images: number; tick: number; random: ReturnType<typeof randomStream> },
): Promise<void> {
  const images = prompts * each;
  const counts = MODEL.attributes.map(({ classes }) => classes.map(() => 0));
  for (let done = 8; done - 8 < images && !running.stopped; done += 8) {
    const drawn = Math.min(images, done);
    while (counts[0]!.reduce((sum, counted) => sum + counted, 0) < drawn) {
      for (const table of counts) {
        const uneven = label === 'fine-tuned' ? 1.1 : 2.2;
        table[Math.floor(table.length * random.uniform() ** uneven)]! += 1;
      }
    }
    const attributes = MODEL.attributes.map(({ name, classes }, axis) => ({
      attribute: name,
      classes,
      counts: counts[axis]!.slice(),
      shares: counts[axis]!.map((counted) => counted / drawn),
      intervals: counts[axis]!.map((counted) => wilsonInterval(counted, drawn)),
      target: target[name] === undefined ? null : targetOf(target, name, classes),
    }));
    const measured = { label, group, images: drawn, all: images, faces: drawn, level: 0.95, attributes };
    running.measured.set(`${group} ${label}`, measured);
    tell(running, { type: 'measured', data: measured });
    const progress = { task: `measure ${label}`, step: drawn, steps: images, secondsLeft: 1 };
    set(running, { progress });
    tell(running, { type: 'progress', data: progress });
    await pause(tick);
  }
}

async function finetune(running: Running, from: number, { tick, adapters }: Workplace): Promise<void> {
  const { job } = running;
  if (job.kind !== 'finetune') return;
  const { iterations } = job.request.optimizer;
  const every = job.request.validation.every;
  tell(running, { type: 'note', data: { text: 'an iteration: 16 images, 640 U-Net evaluations in all' } });
  for (let iteration = from + 1; iteration <= iterations && !running.stopped; iteration++) {
    const noise = Math.sin(iteration * 12.9898) * 0.05;
    const distance = 0.05 + 0.3 * Math.exp(-iteration / 30) + noise / 4;
    const validation =
      every > 0 && iteration % every === 0
        ? {
            distance,
            'distance low': distance - 0.06,
            'distance high': distance + 0.06,
            'distance floor': 0.08,
          }
        : undefined;
    running.log[iteration - 1] = JSON.stringify({
      iteration,
      prompts: ['a person'],
      loss: 0.9 * Math.exp(-iteration / 40) + 0.3 + noise,
      metrics: { 'bias gender': 0.7 * Math.exp(-iteration / 35) + 0.12 + noise },
      gradientNorm: 0.4 + noise,
      ...(validation === undefined ? {} : { validation }),
    });
    if (validation !== undefined) running.samples.push(`samples/${String(iteration).padStart(8, '0')}.png`);
    const progress = {
      task: 'finetune',
      step: iteration,
      steps: iterations,
      secondsLeft: iterations - iteration,
    };
    set(running, { progress });
    tell(running, { type: 'progress', data: progress });
    await pause(tick);
  }
  if (running.stopped) return;
  for (const origin of ['average', 'best'] as const) {
    const id = `adapter_${job.id}_${origin}`;
    const name = job.request.name ?? job.id;
    const { id: owner, createdAt } = job;
    const { target } = job.request;
    const file = { bytes: 1_638_400, sha256: 'ab'.repeat(32), url: `/api/v1/adapters/${id}/file` };
    const kind = job.request.train?.part === 'prompt' ? 'softTokens' : 'lora';
    adapters.push({ id, name, model: 'portraits', job: owner, origin, target, kind, createdAt, ...file });
  }
  const url = (name: string) => `/api/v1/jobs/${job.id}/files/${name}`;
  const [adapter, best] = adapters.slice(-2).map(({ id }) => id) as [string, string];
  const result = {
    iterations,
    seconds: 400,
    adapter,
    best,
    stopped: null,
    page: url('index.html'),
    log: url('log'),
  };
  set(running, { result } as Partial<Job>);
}
