/** `evenhand train classifier` on photographs with labels: FairFace's or CelebA's layout, by a configuration. */

import path from 'node:path';
import { runTraining } from '../training/recipe.ts';
import { faceClassifierRecipeSchema, prepareFaceClassifier } from '../training/recipes/face_classifier.ts';
import { cancellable } from './cancellation.ts';
import { formatConfig, loadConfig, peekConfig } from './config.ts';
import type { Io } from './io.ts';
import type { RuntimeChoice } from './open_runtime.ts';
import { withRuntime } from './open_runtime.ts';
import { createProgress } from './progress.ts';

/** Options of the command that matter here. */
export interface FaceClassifierOptions extends RuntimeChoice {
  readonly config?: string;
  readonly set?: readonly string[];
  /** Folder that the classifier is written to. */
  readonly output: string;
  readonly run?: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

function sourceOf({ config, set = [] }: FaceClassifierOptions) {
  return { overrides: set, ...(config === undefined ? {} : { file: config }) };
}

/** Whether a configuration asks for photographs: its `data` has a `layout`. */
export function isFaceClassifierRecipe(options: FaceClassifierOptions): boolean {
  const data = peekConfig(sourceOf(options), 'data');
  return typeof data === 'object' && data !== null && 'layout' in data;
}

/**
 * Trains, measures and writes a classifier.
 * @throws Error naming the field, row or file that is wrong, before long work
 */
export async function trainFaceClassifier(options: FaceClassifierOptions, io: Io): Promise<void> {
  const recipe = loadConfig(faceClassifierRecipeSchema, sourceOf(options));
  if (options.printConfig) {
    io.stdout.write(formatConfig(recipe));
    return;
  }
  const output = path.resolve(options.output);
  const run = path.resolve(options.run ?? path.join('runs', 'train', 'face_classifier'));
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  try {
    await cancellable(
      (signal) =>
        withRuntime(options, progress, async (runtime) => {
          const prepared = prepareFaceClassifier(recipe, output, runtime);
          await runTraining(
            runtime,
            prepared,
            recipe,
            run,
            ({ name, step, steps, loss, metrics, secondsLeft }) =>
              progress.update({ task: name, step, steps, numbers: { loss, ...metrics }, secondsLeft }),
            signal,
          );
        }),
      (text) => progress.note(text),
    );
    progress.note(`classifier, model.onnx with its card model.yaml, and report.json written to ${output}`);
    progress.result({ command: 'train', model: 'classifier', steps: recipe.steps, output, run });
  } finally {
    progress.finish();
  }
}
