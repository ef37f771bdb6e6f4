/** An HTTP or HTTPS server of tests in front of an S3 service: passes requests on as they are, and fails on demand. */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpRequest } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request that was received whole. */
export interface SeenRequest {
  readonly method: string;
  /** Empty for the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * What happens to a request: `pass`; a status and code to answer; `silent` leaves it without an answer, `reset` closes the
 * connection instead, `lost` does that after the work was done, `cut` in the middle of the answer.
 */
export type Fate =
  | 'pass'
  | 'silent'
  | 'reset'
  | 'lost'
  | 'cut'
  | { readonly status: number; readonly code: string };

/** A running proxy. */
export interface FaultyProxy {
  readonly endpoint: string;
  /** Requests so far. */
  readonly seen: SeenRequest[];
  /** Decides what becomes of each request; every one passes at first. */
  fate: (request: SeenRequest) => Fate | Promise<Fate>;
  close(): Promise<void>;
}

/**
 * Starts a proxy on a free port of 127.0.0.1.
 * @param target endpoint of the service, plain HTTP
 * @param tls certificate and key (PEM) for TLS; plain HTTP when left out
 */
export async function startFaultyProxy(
  target: string,
  tls?: { readonly certificate: string; readonly key: string },
): Promise<FaultyProxy> {
  const agent = new Agent({ keepAlive: true });
  const take: RequestListener = (request, response) => {
    answer(request, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined
      ? createServer(take)
      : createSecureServer({ cert: tls.certificate, key: tls.key }, take);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: FaultyProxy = {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    fate: () => 'pass',
    close: () =>
      new Promise<void>((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(request);
    const seen = describe(request);
    proxy.seen.push(seen);
    const fate = await proxy.fate(seen);
    if (fate === 'silent') return;
    if (fate === 'reset') return void request.socket.destroy();
    if (typeof fate === 'object') {
      const { status, code } = fate;
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
      return;
    }
    const passed = await passOn(request, body);
    const content = await bytesOf(passed);
    if (fate === 'lost') return void request.socket.destroy();
    response.sendDate = false;
    response.writeHead(passed.statusCode!, passed.rawHeaders);
    if (fate === 'pass') return void response.end(content);
    response.write(content.subarray(0, Math.floor(content.length / 2)), () => request.socket.destroySoon());
  }

  /** Sends a request on with the headers that it came with, which are signed. */
  function passOn({ method, url, rawHeaders }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { method: method!, path: url!, headers: rawHeaders, setHost: false, agent };
      httpRequest(target, options, resolve).on('error', reject).end(body);
    });
  }

  return proxy;
}

function describe({ method = '', url = '', headers }: IncomingMessage): SeenRequest {
  const [path = '', query = ''] = url.split('?');
  const [, , ...key] = path.split('/').map(decodeURIComponent);
  return { method, key: key.join('/'), query: new URLSearchParams(query), headers };
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
