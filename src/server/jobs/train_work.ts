/** Fine-tunings and evaluations as work of the lane `train`: one job, one task. */

import path from 'node:path';
import type { z } from 'zod';
import type { ClaimedJob } from '../../cluster/job_store.ts';
import type { LaneWork } from '../../cluster/lane.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import type { ServerContext } from '../context.ts';
import type { evaluateResultSchema, finetuneResultSchema } from '../schemas/jobs.ts';
import { insertAdapter } from '../storage/adapters.ts';
import { resolvedTarget, testPrompts, trainPrompts } from './check.ts';
import { fileUrl } from './describe.ts';
import type { DrawParts } from './draw_work.ts';
import { eventWriter } from './event_writer.ts';
import { jobKeeper } from './keeping.ts';
import type {
  EvaluateInput,
  EvaluateOutput,
  EvaluateRequest,
  FinetuneInput,
  FinetuneOutput,
  FinetuneRequest,
  TrainEvent,
} from './tasks.ts';

/** Milliseconds between two times that what an evaluation has judged is kept. */
const JUDGED_MILLISECONDS = 30_000;

/** What training needs of the server. */
export type TrainParts = Pick<DrawParts, 'store' | 'adapterOf' | 'onFault'> & {
  readonly context: ServerContext;
};

/** Makes the task of one fine-tuning or evaluation. */
export async function trainWork(parts: TrainParts, [job]: readonly ClaimedJob[]): Promise<LaneWork> {
  const { id, kind, request } = job!;
  const { context } = parts;
  const output = context.data.jobFolder(id);
  const keeper = jobKeeper(context, id, parts.onFault);
  await keeper.restore();
  makeFolder(output);
  const writer = eventWriter(parts.store, parts.onFault);
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'note') writer.event(id, 'note', { text: event.text });
    else if (event.type === 'saved') keeper.due();
    else if (event.type === 'measured') {
      writer.measured(id, event.soFar);
      keeper.due(JUDGED_MILLISECONDS);
    } else writer.progress(id, event.progress);
  };
  const base = {
    task: kind,
    onEvent: (event: unknown) => onEvent(event as TrainEvent),
    leave: () => keeper.keep(),
  };
  if (kind === 'finetune') {
    const asked = request as FinetuneRequest;
    return {
      ...base,
      input: finetuneInput(context, asked, output),
      async resultOf(given) {
        await writer.flush();
        await keeper.keep();
        return finetuneResult(context, id, asked, given as FinetuneOutput);
      },
    };
  }
  const asked = request as EvaluateRequest;
  const input: EvaluateInput = {
    request: { ...asked, target: resolvedTarget(context, asked.target, 'test') },
    modelFolder: context.catalogue.model(asked.model).folder,
    adapterFile: asked.adapter === undefined ? null : (await parts.adapterOf(asked.adapter)).file,
    output,
    prompts: testPrompts(context, asked.prompts.test),
  };
  return {
    ...base,
    input,
    async resultOf(given): Promise<z.infer<typeof evaluateResultSchema>> {
      await writer.flush();
      await keeper.keep();
      const { seconds, reports } = given as EvaluateOutput;
      const shown = reports.map(({ group, folder, summary }) => ({
        name: group,
        report: fileUrl(id, path.posix.join(folder, 'report.html')),
        data: fileUrl(id, path.posix.join(folder, 'report.json')),
        summary: { ...summary },
      }));
      const { name: _, ...first } = shown[0]!;
      const groups = shown.flatMap(({ name, ...rest }) => (name === null ? [] : [{ name, ...rest }]));
      return { seconds, ...first, groups: groups.length === 0 ? null : groups };
    },
  };
}

/** Input of the tasks `finetune` and `estimate`. */
export function finetuneInput(
  context: ServerContext,
  request: FinetuneRequest,
  output: string,
): FinetuneInput {
  return {
    request: { ...request, target: resolvedTarget(context, request.target, 'train') },
    modelFolder: context.catalogue.model(request.model).folder,
    output,
    trainPrompts: trainPrompts(context, request.prompts.train),
  };
}

/** Keeps the adapters of a finished run beside the job, so that they outlive it. */
async function finetuneResult(
  context: ServerContext,
  job: string,
  request: FinetuneRequest,
  output: FinetuneOutput,
): Promise<z.infer<typeof finetuneResultSchema>> {
  const name = request.name ?? job;
  const keep = async (file: string, origin: 'average' | 'best', own: string) => {
    const from = path.join(context.data.jobFolder(job), file);
    const values = { name: own, model: request.model, job, origin, target: request.target, file: from };
    return (await insertAdapter(context, values)).id;
  };
  return {
    iterations: output.iterations,
    seconds: output.seconds,
    adapter: await keep(output.adapterFile, 'average', name),
    best: output.bestFile === null ? null : await keep(output.bestFile, 'best', `${name}-best`),
    stopped: output.stopped,
    page: fileUrl(job, 'index.html'),
    log: fileUrl(job, 'log.jsonl'),
  };
}
