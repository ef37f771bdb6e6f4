/** Child process of `renderDataset`: draws the one file that its argument describes. */

import type { CaptionOptions } from './captions.ts';
import { renderShard } from './dataset.ts';

interface Task {
  readonly directory: string;
  readonly seed: number;
  readonly count: number;
  readonly shard: number;
  readonly captions: CaptionOptions;
}

const task = JSON.parse(process.argv[2]!) as Task;
renderShard(task.directory, task.seed, task.count, task.shard, task.captions);
