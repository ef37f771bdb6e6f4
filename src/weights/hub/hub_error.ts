/** Errors of the hub: what went wrong with which model, and what to do about it. */

import { formatHubId, type HubModel } from './hub_id.ts';
import type { HubSettings } from './settings.ts';

/** Something about a model on the hub that the user can mend; the message says how. */
export class HubError extends Error {
  override readonly name = 'HubError';
}

/** Who asked for what, for messages. */
export interface HubQuestion {
  readonly model: HubModel;
  readonly settings: HubSettings;
}

/** Why the hub answered a request with a status other than success (its `X-Error-Code` tells more than the status). */
export function refusal({ model, settings }: HubQuestion, response: Response, file?: string): HubError {
  const { endpoint, token } = settings;
  const name = formatHubId(model);
  const page = `${endpoint}/${model.id}`;
  const code = response.headers.get('x-error-code');
  const status = `${response.status}${code === null ? '' : `, ${code}`}`;
  const tokens = `set HF_TOKEN to a token of that account (${endpoint}/settings/tokens)`;
  if (code === 'GatedRepo') {
    const why =
      token === null
        ? `accept them at ${page} and ${tokens}`
        : `accept them at ${page} with the account of HF_TOKEN`;
    return new HubError(`${name}: is gated: its authors ask you to accept their terms (${status}); ${why}`);
  }
  if (code === 'RevisionNotFound') {
    return new HubError(
      `${model.id}: has no revision ${model.revision} (${status}); ${page}/tree/main lists them`,
    );
  }
  if (code === 'EntryNotFound') return new HubError(`${name}: has no file ${file} (${status})`);
  if (response.status === 401 || response.status === 404) {
    const hint =
      token === null
        ? `for a private model ${tokens}`
        : 'the token of HF_TOKEN is wrong or may not read it, if it is a private model';
    return new HubError(`${name}: ${endpoint} has no such model (${status}); check the name, or ${hint}`);
  }
  if (response.status === 403) {
    return new HubError(
      `${name}: ${endpoint} refuses access (${status}); look at ${page}, and at what HF_TOKEN may read`,
    );
  }
  if (response.status === 429) {
    return new HubError(
      `${name}: ${endpoint} asks to slow down (${status}); try again in a few minutes, or set HF_TOKEN`,
    );
  }
  return new HubError(
    `${name}: ${endpoint} answered ${file ?? 'the request'} with status ${status}; try again later`,
  );
}

/** Codes of the system for storage that takes no more. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** Why a file of the cache could not be written. */
export function unwritable(file: string, error: NodeJS.ErrnoException): HubError {
  const advice = 'give another cache with --cache or HF_HUB_CACHE';
  const message = FULL.has(error.code)
    ? `${file}: the disk is full; free space (what is downloaded stays, and the same command goes on), or ${advice}`
    : `${file}: cannot be written (${error.message}); ${advice}`;
  return new HubError(message, { cause: error });
}

/** Why there was no answer at all. */
export function unreachable({ model, settings }: HubQuestion, error: unknown): HubError {
  const { message, cause } = error as Error & { readonly cause?: NodeJS.ErrnoException };
  return new HubError(
    `${formatHubId(model)}: cannot reach ${settings.endpoint} (${cause?.code ?? cause?.message ?? message}); ` +
      'try again when it can be reached, or give the path of a model folder',
    { cause: error },
  );
}
