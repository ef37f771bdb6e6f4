/** Questions to the hub's API: which commit a revision is, and which files it has. */

import { isCommit } from './cache.ts';
import { HubError, type HubQuestion, refusal, unreachable } from './hub_error.ts';
import { formatHubId } from './hub_id.ts';
import { Interruption, isPassing, retrying } from './retry.ts';
import type { TransferOptions } from './transfer.ts';

/** A file of a model's repository. */
export interface HubFile {
  /** Path with `/`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Which hash `hash` is: SHA-256 of the content for large files (Git LFS), git's own for the others. */
  readonly algorithm: 'sha256' | 'git';
  /** Hexadecimal digits; the name of the file's content in the cache. */
  readonly hash: string;
}

/** Size that no file of a model reaches; what is larger is no size. */
const LARGEST = 2 ** 50;

/** Interruptions in a row before a question is given up. */
const MOST_FAILURES = 3;

/** How to ask. */
export type QuestionOptions = Pick<TransferOptions, 'signal' | 'retryDelay'>;

/**
 * `fetch` that shows the access token to the hub, and to nobody that it sends on to.
 * @throws HubError when the hub cannot be reached or refuses; the signal's reason once it is raised
 */
function hubFetch(question: HubQuestion, { signal, retryDelay }: QuestionOptions): typeof fetch {
  const { endpoint, token } = question.settings;
  return async function fetchFromHub(input, init) {
    const headers = new Headers(init?.headers);
    const url = input instanceof Request ? input.url : String(input);
    if (token !== null && new URL(url).origin === new URL(endpoint).origin) {
      headers.set('authorization', `Bearer ${token}`);
    }
    const ask = async () => {
      const response = await fetch(input, { ...init, headers, signal: signal ?? null }).catch((error) => {
        throw new Interruption('no answer', { cause: unreachable(question, error) });
      });
      if (response.ok) return response;
      await response.body?.cancel();
      const cause = refusal(question, response);
      throw isPassing(response.status) ? new Interruption('refused', { cause }) : cause;
    };
    return retrying(ask, { most: MOST_FAILURES - 1, delay: retryDelay, signal }).catch((error: Error) => {
      throw error instanceof Interruption ? error.cause : error;
    });
  };
}

/**
 * The commit that a revision is now.
 * @throws HubError when the hub cannot be reached, refuses, or has no such model or revision
 */
export async function askCommit(question: HubQuestion, options: QuestionOptions = {}): Promise<string> {
  const { model, settings } = question;
  const { modelInfo } = await import('@huggingface/hub');
  const { sha } = await modelInfo({
    name: model.id,
    revision: model.revision,
    additionalFields: ['sha'],
    hubUrl: settings.endpoint,
    fetch: hubFetch(question, options),
  }).catch((error: unknown) => {
    throw misunderstood(question, error, options.signal);
  });
  if (!isCommit(sha)) throw misunderstood(question, new Error(`no commit, but ${JSON.stringify(sha)}`));
  return sha;
}

/**
 * All files of a commit.
 * @throws HubError when the hub cannot be reached or refuses, or lists a file whose path or hash is none
 */
export async function askFiles(
  question: HubQuestion,
  commit: string,
  options: QuestionOptions = {},
): Promise<HubFile[]> {
  const { model, settings } = question;
  const { listFiles } = await import('@huggingface/hub');
  const files: HubFile[] = [];
  try {
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: { type: 'model', name: model.id },
      revision: commit,
      recursive: true,
      hubUrl: settings.endpoint,
      fetch: hubFetch(question, options),
    })) {
      if (type !== 'file') continue;
      const file: HubFile = lfs
        ? { path, size: lfs.size, algorithm: 'sha256', hash: lfs.oid }
        : { path, size, algorithm: 'git', hash: String(oid) };
      checkFile(file);
      files.push(Object.freeze(file));
    }
  } catch (error) {
    throw misunderstood(question, error, options.signal);
  }
  return files;
}

/** Paths and hashes become names of files here, so nothing else may pass for one. */
function checkFile({ path, size, algorithm, hash }: HubFile): void {
  const isInside = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isInside || /[\\:\0]/.test(path)) throw new Error(`the path ${JSON.stringify(path)}`);
  if (!Number.isSafeInteger(size) || size < 0 || size > LARGEST) throw new Error(`${path} with size ${size}`);
  const digits = algorithm === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/;
  if (!digits.test(hash)) throw new Error(`${path} with the hash ${JSON.stringify(hash)}`);
}

function misunderstood({ model, settings }: HubQuestion, error: unknown, signal?: AbortSignal): Error {
  signal?.throwIfAborted();
  if (error instanceof HubError) return error;
  const message = `${formatHubId(model)}: ${settings.endpoint} gave an answer that a hub does not give: ${(error as Error).message}`;
  return new HubError(message, { cause: error });
}
