/** A worker thread that owns ONNX Runtime sessions: `session.run` blocks its thread, so it never runs elsewhere. */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { TensorData } from '../types.ts';
import type { FedDataType, Request, Response, TensorMessage, WorkerSettings } from './messages.ts';
import { buffersOf } from './messages.ts';
import { SessionShelf } from './session_shelf.ts';

const settings = workerData as WorkerSettings;
const sessions = new SessionShelf<ort.InferenceSession>(availableMemory);
const port = parentPort!;
/** Prefixes of the profiles that sessions write. */
const profiles = new Map<string, string>();
/** ONNX Runtime's passes that compute constants ahead and merge equal expressions. */
const FOLDING = 'ConstantFolding;CommonSubexpressionElimination';
let queue = Promise.resolve();

/** Bytes that the process may still take: those of the machine or container, and of its own limit. */
function availableMemory(): number {
  const { memory } = settings;
  const own = memory === null ? Number.POSITIVE_INFINITY : memory - process.memoryUsage.rss();
  return Math.min(process.availableMemory(), own);
}

port.on('message', (request: Request) => {
  queue = queue.then(() => answer(request));
});

async function answer(request: Request): Promise<void> {
  try {
    const response = await handle(request);
    const moved = 'outputs' in response ? buffersOf(response.outputs, response.feeds) : [];
    port.postMessage(response, moved);
  } catch (error) {
    const response: Response = {
      id: request.id,
      error: error instanceof Error ? error.message : String(error),
    };
    port.postMessage(response);
  }
}

async function handle(request: Request): Promise<Response> {
  const { id, session: key } = request;
  if (request.kind === 'create') {
    const { workingBytes, mappedBytes, settings: chosen } = request;
    const stays = chosen.profile !== null;
    await sessions.add(key, { create: () => createSession(request), workingBytes, mappedBytes, stays });
    if (chosen.profile !== null) profiles.set(key, chosen.profile);
    return { id, done: true };
  }
  if (request.kind === 'release') {
    const profile = profiles.get(key);
    if (profile !== undefined) sessions.peek(key)?.endProfiling();
    profiles.delete(key);
    await sessions.remove(key);
    return profile === undefined ? { id, done: true } : { id, done: true, profile: writtenProfile(profile) };
  }
  const session = await sessions.use(key);
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(request.feeds)) {
    feeds[name] = new ort.Tensor(dtype, data as never, shape);
  }
  const results = await session.run(feeds);
  const outputs: Record<string, TensorMessage> = {};
  for (const [name, tensor] of Object.entries(results)) {
    outputs[name] = {
      dtype: tensor.type as FedDataType,
      shape: tensor.dims,
      data: tensor.data as unknown as TensorData,
    };
  }
  return { id, outputs, feeds: request.feeds };
}

/** The newest file that ONNX Runtime wrote for a prefix: it appends the time and `.json`. */
function writtenProfile(prefix: string): string {
  const folder = path.dirname(path.resolve(prefix));
  const written = readdirSync(folder)
    .filter((name) => name.startsWith(path.basename(prefix)) && name.endsWith('.json'))
    .map((name) => path.join(folder, name));
  const newest = written.sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs).at(-1);
  if (newest === undefined) throw new Error(`expected a profile ${prefix}*.json, found none`);
  return newest;
}

async function createSession(request: Extract<Request, { kind: 'create' }>): Promise<ort.InferenceSession> {
  const { optimization, prepacking, memoryPattern, folding, wide, profile } = request.settings;
  const session: Record<string, string> = {};
  if (request.externalRoot !== null)
    session.model_external_initializers_file_folder_path = request.externalRoot;
  if (!prepacking) session.disable_prepacking = '1';
  // Waiting threads sleep: spinning ones would take the cores that the caller and other processes need.
  session['session.intra_op.allow_spinning'] = '0';
  const created = await ort.InferenceSession.create(request.bytes, {
    executionProviders: [settings.provider],
    graphOptimizationLevel: optimization,
    intraOpNumThreads: wide ? settings.wideThreads : settings.threads,
    interOpNumThreads: 1,
    enableMemPattern: memoryPattern,
    logSeverityLevel: 4,
    ...(profile === null ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    extra: { session, ...(folding ? {} : { optimization: { disable_specified_optimizers: FOLDING } }) },
  });
  return created;
}
