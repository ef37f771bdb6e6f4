/** The server's worker process: its arguments are a device, threads (0 for all cores) and GiB of memory (0 for what there is). */

import type { Task } from '../../cluster/worker_process.ts';
import { serveTasks } from '../../cluster/worker_process.ts';
import type { DeviceName, Runtime } from '../../graph/index.ts';
import { selectDevice } from '../../graph/index.ts';
import { startRuntime } from '../open_runtime.ts';
import { checkAdapterTask } from './check_adapter.ts';
import { createDrawing } from './draw.ts';
import { createExporting } from './export.ts';
import { createJudging } from './judge.ts';
import { estimateTask, evaluateTask, finetuneTask } from './train.ts';

const [name = 'auto', threads = '0', memory = '0'] = process.argv.slice(2);

let opened: Promise<Runtime> | null = null;

function openRuntime(): Promise<Runtime> {
  opened ??= selectDevice(name as DeviceName).then((device) =>
    startRuntime({
      device,
      threads: Number(threads) || undefined,
      memory: Number(memory) || undefined,
    }),
  );
  opened.catch(() => {
    opened = null;
  });
  return opened;
}

const drawing = createDrawing(openRuntime);

serveTasks(
  {
    draw: drawing.draw,
    finetune: (async (input, context) => finetuneTask(await openRuntime(), input, context)) as Task,
    evaluate: (async (input, context) => evaluateTask(await openRuntime(), input, context)) as Task,
    checkAdapter: checkAdapterTask,
    judge: createJudging(openRuntime),
    exportAdapter: createExporting(),
    estimate: async (input: never) => estimateTask(await openRuntime(), input),
  },
  async () => {
    await (await opened)?.close();
  },
);
