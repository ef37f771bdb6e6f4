/** The worker that draws on this device, one request after the other, so that the page never waits for it. */

import type { Engine } from './engine.ts';
import { drawWith, openEngine } from './engine.ts';
import { fetchBytes } from './fetch_bytes.ts';
import type { FromWorker, ToWorker } from './messages.ts';

const controllers = new Map<string, AbortController>();
let engine: Engine | null = null;
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'cancel') {
    controllers.get(data.id)?.abort();
  } else if (data.kind === 'fetch') {
    const { sha256, url } = data.adapter;
    // What fails now is said when the adapter is used.
    fetchBytes(url).then(
      () => tell({ kind: 'fetched', sha256 }),
      () => undefined,
    );
  } else {
    const controller = new AbortController();
    controllers.set(data.id, controller);
    queue = queue.then(() => draw(data, controller.signal)).finally(() => controllers.delete(data.id));
  }
};

function tell(message: FromWorker): void {
  self.postMessage(message, { transfer: 'png' in message ? [message.png.buffer] : [] });
}

async function draw(
  { id, model, adapter, request }: Extract<ToWorker, { kind: 'draw' }>,
  signal: AbortSignal,
): Promise<void> {
  const attempt = async (on: Engine) => drawWith(on, id, request, adapter, signal, tell);
  try {
    signal.throwIfAborted();
    if (engine?.sent.weights.sha256 !== model.weights.sha256) {
      await close();
      engine = await openEngine(model, tell);
    }
    try {
      await attempt(engine);
    } catch (error) {
      if (signal.aborted || engine.processor === 'wasm') throw error;
      // What a graphics processor cannot do, WebAssembly can.
      await close();
      engine = await openEngine(model, tell, 'wasm');
      await attempt(engine);
    }
    tell({ kind: 'end', id, status: 'succeeded', message: null });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (signal.aborted) tell({ kind: 'end', id, status: 'cancelled', message: null });
    else tell({ kind: 'end', id, status: 'failed', message });
  }
}

async function close(): Promise<void> {
  const old = engine;
  engine = null;
  await old?.pipeline.runtime.close().catch(() => undefined);
}
