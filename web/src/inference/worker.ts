/** The worker that draws on this device, one request after the other, so that the page never waits for it. */

import type { Engine } from './engine.ts';
import { drawWith, fetchAdapter, openEngine } from './engine.ts';
import { fetchBytes } from './fetch_bytes.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Most characters of a message that stands beside others. */
const MOST_SHOWN = 100;

const controllers = new Map<string, AbortController>();
let engine: Engine | null = null;
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'cancel') {
    controllers.get(data.id)?.abort();
  } else if (data.kind === 'fetch') {
    const { sha256, url } = data.adapter;
    fetchBytes(url).then(
      () => tell({ kind: 'fetched', sha256, fault: null }),
      (error) => tell({ kind: 'fetched', sha256, fault: textOf(error) }),
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
  try {
    signal.throwIfAborted();
    if (engine?.sent.weights.sha256 !== model.weights.sha256) {
      await close();
      engine = await openEngine(model, tell);
    }
    const fetched = await fetchAdapter(engine, adapter);
    const attempt = (on: Engine) => drawWith(on, id, request, fetched, signal, tell);
    try {
      await attempt(engine);
    } catch (error) {
      if (signal.aborted || engine.processor === 'wasm') throw error;
      // What a graphics processor cannot do, WebAssembly can.
      console.warn(error);
      await close();
      engine = await openEngine(model, tell, shortened(textOf(error)));
      await attempt(engine);
    }
    tell({ kind: 'end', id, status: 'succeeded', message: null });
  } catch (error) {
    if (signal.aborted) {
      tell({ kind: 'end', id, status: 'cancelled', message: null });
    } else {
      tell({ kind: 'end', id, status: 'failed', message: textOf(error) });
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The beginning of a message: ONNX Runtime's run over many lines. */
function shortened(message: string): string {
  return message.length <= MOST_SHOWN ? message : `${message.slice(0, MOST_SHOWN)}…`;
}

async function close(): Promise<void> {
  const old = engine;
  engine = null;
  await old?.pipeline.runtime.close().catch(() => undefined);
}
