/** Where face models lie: cards that come with Evenhand, cards and folders of the user's, files of installed packages. */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readTensorFlow } from '../../graph/index.ts';
import type { FaceModelCard, OpenedCard } from './card.ts';
import { isCard, readCard } from './card.ts';

const CARDS = fileURLToPath(new URL('../../../configs/faces/', import.meta.url));

/** Names of the cards that come with Evenhand, sorted; their models are installed by the user. */
export function shippedCards(): string[] {
  return readdirSync(CARDS)
    .filter(isCard)
    .map((file) => file.replace(/\.ya?ml$/i, ''))
    .sort();
}

/**
 * Absolute path of a face model: the name of a shipped card, a card's file or a model folder.
 * @param folder relative paths lie in it
 * @throws Error naming what was looked for
 */
export function locateFaceModel(name: string, folder: string): string {
  const own = path.resolve(folder, name);
  if (existsSync(own)) return own;
  const shipped = path.join(CARDS, `${name}.yaml`);
  if (/^[\w-]+$/.test(name) && existsSync(shipped)) return shipped;
  throw new Error(
    `${name}: expected a card (.yaml), a model folder, or one of ${shippedCards().join(', ')}; found none at ${own}`,
  );
}

const NPM = /^npm:((?:@[^/]+\/)?[^/]+)\/(.+)$/;

/** The package that a card takes its model from; null where it names a file. */
export function packageOf({ model }: FaceModelCard): string | null {
  return NPM.exec(model)?.[1] ?? null;
}

/**
 * Absolute path of a card's model.
 * @throws Error naming the card, and the package to install or the file that is missing
 */
export function modelFileOf({ card, file }: OpenedCard): string {
  const match = NPM.exec(card.model);
  if (match === null) {
    const beside = path.resolve(path.dirname(file), card.model);
    if (existsSync(beside)) return beside;
    throw new Error(`${file}: model: expected a file, found none at ${beside}`);
  }
  const [, name, inside] = match as unknown as [string, string, string];
  for (const start of [process.cwd(), path.dirname(file)]) {
    for (let folder = start; ; folder = path.dirname(folder)) {
      const found = path.join(folder, 'node_modules', name, inside);
      if (existsSync(found)) return found;
      if (folder === path.dirname(folder)) break;
    }
  }
  throw new Error(
    `${file}: model: expected ${inside} of the package ${name}; install it first: npm install ${name}`,
  );
}

/** What decides what a face model computes: the files of a card, or the folder itself. */
export function filesOfFaceModel(at: string): string[] {
  return isCard(at) ? filesOfCard(at) : [at];
}

/** Every file that decides what a card's model computes: the card, the model, and the model's weights. */
export function filesOfCard(file: string): string[] {
  const opened = readCard(file);
  const model = modelFileOf(opened);
  return [opened.file, ...(model.endsWith('.json') ? readTensorFlow(model).files : [model])];
}
