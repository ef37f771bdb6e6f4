/** Carries out the reproduction: tells the cost, makes the parts that are not done, and writes the results after each. */

import path from 'node:path';
import { secondsPerUnit } from '../finetune/cost.ts';
import type { Runtime } from '../graph/index.ts';
import type { Part, Results, Scale } from '../portraits/reproduction/index.ts';
import {
  BUDGETS,
  commonSettings,
  PARTS,
  readParts,
  unitsOf,
  writePart,
  writeResults,
} from '../portraits/reproduction/index.ts';
import { Failure } from './errors.ts';
import { openLaboratory, shortDigest } from './laboratory.ts';
import { hashModel, modelName, resolveModel } from './models.ts';
import { outputFolder } from './options.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';
import { formatDuration } from './progress.ts';

/** What to reproduce, and where. */
export interface ReproductionRequest {
  readonly parts: readonly Part[];
  readonly scale: Scale;
  readonly model?: string | undefined;
  /** Results. */
  readonly output: string;
  /** Runs and judged images, which a stopped reproduction goes on from. */
  readonly work: string;
}

/** Time of a whole part over that of its U-Net evaluations: judges, losses, decoders. An estimate. */
const OVERHEAD = 1.35;

/**
 * Makes the parts that are not done yet, one after the other. A part that fails does not keep the others from being made.
 * @returns path of the results' page
 * @throws Failure naming the parts that failed, after all others are made; or the signal's reason
 */
export async function runReproduction(
  runtime: Runtime,
  request: ReproductionRequest,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const { scale } = request;
  const folder = resolveModel(request.model);
  const model = { name: modelName(folder), hash: `sha256:${await hashModel(folder)}` };
  const budget = BUDGETS[scale];
  const shared = [model.hash, scale, commonSettings(budget), packageVersion()];
  const digests = Object.fromEntries(
    PARTS.map((part) => [part.name, shortDigest([...shared, part.name, part.settings(budget)])]),
  );
  const output = outputFolder(request.output);
  const work = outputFolder(path.join(request.work, shortDigest(shared)));
  const done = readParts(output, digests);
  const isDone = ({ name }: Part) => done[name] !== undefined;
  const names = request.parts.filter(isDone).map(({ name }) => name);
  if (names.length > 0) progress.note(`done already: ${names.join(', ')}`);
  const left = request.parts.filter((part) => !isDone(part));
  const write = (): string => {
    const ordered = PARTS.filter(isDone).map(({ name }) => [name, done[name]!] as const);
    const results: Results = {
      ...({ format: 'evenhand-reproduction', version: 2, scale, model } as const),
      updated: new Date().toISOString(),
      parts: Object.fromEntries(ordered),
    };
    return writeResults(output, results);
  };
  let page = path.join(output, 'index.md');
  const failed: string[] = [];
  if (left.length > 0) {
    const lab = openLaboratory({ runtime, model: folder, work, budget }, progress, signal);
    const guidanceScale = budget.guidanceScale ?? lab.pipeline.model.defaultGuidanceScale;
    const trial = { guidanceScale, negativePrompt: '', prompts: ['a person'] };
    const pace = OVERHEAD * (await secondsPerUnit(lab.pipeline, trial, signal));
    for (const part of left) {
      progress.note(`${part.name}: about ${formatDuration(pace * unitsOf([part], budget))}, ${part.summary}`);
    }
    for (const [i, part] of left.entries()) {
      signal.throwIfAborted();
      const seconds = pace * unitsOf(left.slice(i), budget);
      progress.note(`${i + 1}/${left.length} ${part.name}; about ${formatDuration(seconds)} left in all`);
      const started = performance.now();
      try {
        const result = await part.make(lab);
        const seconds = (performance.now() - started) / 1000;
        done[part.name] = writePart(output, result, { digest: digests[part.name]!, seconds });
        page = write();
        progress.note(`${part.name} is done: ${path.relative('.', page)}`);
      } catch (error) {
        signal.throwIfAborted();
        failed.push(`${part.name}: ${(error as Error).message}`);
        progress.note(`${part.name} failed: ${(error as Error).stack}`);
      }
    }
  }
  if (failed.length > 0) throw new Failure(`${failed.length} parts failed\n${failed.join('\n')}`);
  return page;
}
