/** Transfer of one file: goes on where an earlier one was cut, is checked as a whole, and only then gets its final name. */

import { constants, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { digestOfFile } from '../file_digest.ts';
import { makeFolder } from '../make_folder.ts';
import type { HubFile } from './api.ts';
import { HubError, type HubQuestion, refusal, unwritable } from './hub_error.ts';
import { formatHubId } from './hub_id.ts';
import { Interruption, isPassing, retrying } from './retry.ts';

/** How transfers behave. */
export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears how many bytes of the file are on disk. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Milliseconds to wait before the attempt after so many failed ones in a row. */
  readonly retryDelay?: ((failures: number) => number) | undefined;
}

/** Interruptions in a row that bring nothing before a transfer is given up. */
const MOST_FAILURES = 6;

/**
 * Brings a file of a commit to `target`, by way of `TARGET.incomplete`, from which a later transfer goes on. Two transfers of one
 * file at the same time write the same bytes to the same places, and do no harm.
 * @param target final name; named by the content's hash in the cache
 * @throws HubError when the hub refuses, sends something else than it listed, or stays away, and when the disk takes no more
 */
export async function transferFile(
  question: HubQuestion,
  commit: string,
  file: HubFile,
  target: string,
  options: TransferOptions = {},
): Promise<void> {
  const incomplete = `${target}.incomplete`;
  const { signal, retryDelay } = options;
  try {
    makeFolder(dirname(target));
  } catch (error) {
    throw unwritable(target, error as NodeJS.ErrnoException);
  }
  let before = sizeOf(incomplete);
  const hasAdvanced = () => {
    const [earlier, now] = [before, sizeOf(incomplete)];
    before = now;
    return now > earlier;
  };
  await retrying(() => attempt(question, commit, file, incomplete, options), {
    ...{ most: MOST_FAILURES - 1, hasAdvanced, delay: retryDelay, signal },
  }).catch((error: unknown) => {
    throw error instanceof Interruption ? givenUp(question, file, error) : error;
  });
  await check(question, file, incomplete, signal);
  try {
    renameSync(incomplete, target);
  } catch (error) {
    // Another process that brought the same file was faster.
    if (!existsSync(target)) throw unwritable(target, error as NodeJS.ErrnoException);
  }
}

function givenUp({ model }: HubQuestion, file: HubFile, { message, cause }: Interruption): HubError {
  if (cause instanceof HubError) return cause;
  const { code, message: more } = (cause ?? {}) as NodeJS.ErrnoException;
  const why = code ?? more ?? message;
  return new HubError(
    `${formatHubId(model)}: ${file.path}: the connection failed ${MOST_FAILURES} times in a row (${why}); ` +
      'what has come stays, and the same command goes on from there',
    { cause },
  );
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** One request for what is still missing. */
async function attempt(
  question: HubQuestion,
  commit: string,
  file: HubFile,
  incomplete: string,
  { signal, onBytes }: TransferOptions,
): Promise<void> {
  let have = sizeOf(incomplete);
  if (have > file.size) have = 0;
  onBytes?.(have);
  if (have === file.size && existsSync(incomplete)) return;
  const response = await request(question, commit, file, have, signal);
  const begin = beginOf(response, question, file, have);
  // Never emptied on opening: another process may be writing to it.
  const flags = constants.O_RDWR | constants.O_CREAT;
  const handle = await open(incomplete, flags).catch((error: NodeJS.ErrnoException) => {
    throw unwritable(incomplete, error);
  });
  try {
    if ((await handle.stat()).size > file.size) await handle.truncate(0);
    await writeBody(response, handle, { ...{ question, file, incomplete, begin, onBytes, signal } });
    await handle.sync().catch(() => {});
  } finally {
    await handle.close();
  }
}

async function request(
  question: HubQuestion,
  commit: string,
  file: HubFile,
  have: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const { endpoint, token } = question.settings;
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  // On the way to another host fetch itself drops the token (Fetch standard, "HTTP-redirect fetch", step 13).
  const headers = {
    'accept-encoding': 'identity',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(have === 0 ? {} : { range: `bytes=${have}-` }),
  };
  const url = `${endpoint}/${question.model.id}/resolve/${commit}/${path}`;
  const response = await fetch(url, { headers, signal: signal ?? null }).catch((error: unknown) => {
    throw new Interruption('no answer', { cause: error });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  if (isPassing(response.status)) {
    throw new Interruption(`status ${response.status}`, { cause: refusal(question, response, file.path) });
  }
  if (response.status !== 416) throw refusal(question, response, file.path);
  throw surprising(question, file, `does not have the bytes from ${have} on`);
}

/** Where the answer's bytes belong: a server that knows no ranges sends everything again. */
function beginOf(response: Response, question: HubQuestion, file: HubFile, have: number): number {
  if (response.status !== 206) return 0;
  const [, begin, total] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (Number(begin) === have && (total === '*' || Number(total) === file.size)) return have;
  throw surprising(
    question,
    file,
    `sent the range ${response.headers.get('content-range')} for the bytes from ${have} on`,
  );
}

function surprising({ model, settings }: HubQuestion, file: HubFile, what: string): HubError {
  return new HubError(
    `${formatHubId(model)}: ${file.path}: expected ${file.size} bytes, as ${settings.endpoint} lists it; the server ${what}`,
  );
}

interface Writing extends Pick<TransferOptions, 'signal' | 'onBytes'> {
  readonly question: HubQuestion;
  readonly file: HubFile;
  readonly incomplete: string;
  readonly begin: number;
}

/** Appends the answer's bytes at explicit places; what was written stays when it is cut. */
async function writeBody(response: Response, handle: FileHandle, writing: Writing): Promise<void> {
  const { question, file, incomplete, begin, onBytes, signal } = writing;
  let position = begin;
  try {
    for await (const chunk of response.body ?? []) {
      signal?.throwIfAborted();
      if (position + chunk.length > file.size) throw surprising(question, file, 'sent more');
      let written = 0;
      while (written < chunk.length) {
        const { bytesWritten } = await handle
          .write(chunk, written, chunk.length - written, position + written)
          .catch((error: NodeJS.ErrnoException) => {
            throw unwritable(incomplete, error);
          });
        written += bytesWritten;
      }
      position += chunk.length;
      onBytes?.(position);
    }
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw new Interruption('cut', { cause: error });
  }
  if (position < file.size) throw new Interruption(`ended after ${position} of ${file.size} bytes`);
}

/** Compares what was brought with the hash that the hub lists; a file that differs is removed. */
async function check(
  { model, settings }: HubQuestion,
  file: HubFile,
  incomplete: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found =
    file.algorithm === 'sha256'
      ? await digestOfFile('sha256', incomplete, '', signal)
      : await digestOfFile('sha1', incomplete, `blob ${file.size}\0`, signal);
  if (found === file.hash) return;
  rmSync(incomplete, { force: true });
  throw new HubError(
    `${formatHubId(model)}: ${file.path}: expected the ${file.algorithm === 'sha256' ? 'SHA-256' : 'git hash'} ${file.hash} that ` +
      `${settings.endpoint} lists, received ${found}: what came was damaged on the way, and is removed; try again`,
  );
}
