/** Names of models on the hub: `organisation/name`, and `organisation/name@revision` for another revision than `main`. */

/** A model on the hub at a branch, a tag or a commit. */
export interface HubModel {
  /** `organisation/name`. */
  readonly id: string;
  /** Branch, tag, `refs/pr/NUMBER`, or the 40 digits of a commit. */
  readonly revision: string;
}

/** The revision that is meant where none is named. */
export const DEFAULT_REVISION = 'main';

/** The first part is none of the words that the hub's own addresses begin with. */
const ID =
  /^(?!(models|datasets|spaces|api)\/)(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}(?<![.-])$/;
const REVISION = /^(?!.*\.\.)(?!.*\/\/)[\w][\w./+-]{0,199}(?<!\/)$/;

/** The model that a name means; null for a name that is none on the hub (a file, a folder with more or fewer parts). */
export function parseHubId(name: string): HubModel | null {
  const at = name.indexOf('@');
  const id = at < 0 ? name : name.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : name.slice(at + 1);
  if (!ID.test(id) || !REVISION.test(revision) || /\.(safetensors|ckpt|bin|pth?)$/i.test(id)) return null;
  return Object.freeze({ id, revision });
}

/** A model as users name it: the revision only where it is not the usual one. */
export function formatHubId({ id, revision }: HubModel): string {
  return revision === DEFAULT_REVISION ? id : `${id}@${revision}`;
}
