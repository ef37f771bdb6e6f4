/**
 * A small hub on this machine for tests: the API routes that a download asks, files behind a redirect to another origin as the
 * real hub's large files are, ranges, gated and missing models, and faults on demand.
 */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the server saw it. */
export interface SeenRequest {
  /** Which of the two servers: the hub, or the host that it sends to for large files. */
  readonly host: 'hub' | 'storage';
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

/** A model that the hub has. */
export interface ServedModel {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Commit of each branch or tag; all have the same files. */
  readonly revisions: Readonly<Record<string, string>>;
  /** Tokens that may read it; everybody may if left out. */
  readonly tokens?: readonly string[];
  /** Whether those that may not are told of its terms. */
  readonly isGated?: boolean;
}

/** What goes wrong with a file, by its path. */
export interface Faults {
  /**
   * Bytes of an answer after which the connection breaks, once {@link TestHub.received} says that they have come; each entry serves
   * for one answer.
   */
  readonly cuts?: Map<string, number[]>;
  /** Statuses that answers have in place of the content; each entry serves for one answer. */
  readonly statuses?: Map<string, number[]>;
  /** Content that is sent in place of the right one. */
  readonly contents?: Map<string, Buffer>;
  /** Whether ranges are ignored. */
  readonly ignoresRanges?: boolean;
  /** Bytes of an answer after which nothing more comes, though the connection stays open. */
  readonly stalls?: Map<string, number>;
}

/** A running hub. */
export interface TestHub {
  readonly endpoint: string;
  readonly models: Map<string, ServedModel>;
  faults: Faults;
  /** Tells the hub how many bytes of a file have come, so that it can break the connection when all before the cut have. */
  received(path: string, bytes: number): void;
  /** All requests since the last time that it was emptied. */
  readonly seen: SeenRequest[];
  close(): Promise<void>;
}

/** Files larger than this are kept as Git LFS has them: under their SHA-256, on the other host. */
const LARGE = 1000;
/** Files a page of a listing. */
const PAGE = 4;

/** Hash by which git knows a file. */
export function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** SHA-256 of a file. */
export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function listen(server: Server): Promise<string> {
  // Connections that wait for the next request stay open however long it takes.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface HubState {
  faults: Faults;
  /** The connection that is to break when so many bytes of a file have come. */
  cut: { readonly path: string; readonly at: number; readonly destroy: () => void } | null;
}

/** Starts a hub on free ports of the loopback interface. */
export async function startTestHub(): Promise<TestHub> {
  const models = new Map<string, ServedModel>();
  const seen: SeenRequest[] = [];
  const state: HubState = { faults: {}, cut: null };
  const note = (host: SeenRequest['host'], { url = '', headers }: IncomingMessage) => {
    const { range = null, authorization = null } = headers;
    seen.push({ host, path: decodeURIComponent(url.split('?')[0]!), range, authorization });
  };
  const storage = createServer((request, response) => {
    note('storage', request);
    const [, id, path] = /^\/objects\/([^/]+\/[^/]+)\/(.+)$/.exec(decodeURIComponent(request.url!)) ?? [];
    sendContent(request, response, path!, models.get(id!)!.files.get(path!)!, state);
  });
  const storageAddress = await listen(storage);
  const hub = createServer((request, response) => {
    note('hub', request);
    answer(request, response, models, storageAddress, state);
  });
  const endpoint = await listen(hub);
  return {
    endpoint,
    models,
    seen,
    get faults() {
      return state.faults;
    },
    set faults(faults: Faults) {
      state.faults = faults;
    },
    received(path, bytes) {
      if (state.cut?.path !== path || bytes < state.cut.at) return;
      state.cut.destroy();
      state.cut = null;
    },
    async close() {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-error-code': code });
  response.end(JSON.stringify({ error: code }));
}

function sendJson(response: ServerResponse, content: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(content));
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  models: ReadonlyMap<string, ServedModel>,
  storage: string,
  state: HubState,
): void {
  const url = new URL(request.url!, 'http://hub');
  const [, id, kind, revision, path = ''] =
    /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.*))?$/.exec(url.pathname) ??
    [];
  const model = models.get(id ?? '');
  if (model === undefined) {
    refuse(response, 401, 'RepoNotFound');
    return;
  }
  const token = request.headers.authorization?.replace('Bearer ', '');
  if (model.tokens !== undefined && !model.tokens.includes(token ?? '')) {
    refuse(response, model.isGated ? 403 : 401, model.isGated ? 'GatedRepo' : 'RepoNotFound');
    return;
  }
  const name = decodeURIComponent(revision!);
  const commit = model.revisions[name] ?? (Object.values(model.revisions).includes(name) ? name : undefined);
  if (commit === undefined) {
    refuse(response, 404, 'RevisionNotFound');
    return;
  }
  if (kind === 'revision') {
    sendJson(response, { _id: '1', id, sha: commit, lastModified: '2026-01-01' });
    return;
  }
  if (kind === 'tree') {
    sendTree(response, url, model);
    return;
  }
  const file = decodeURIComponent(path);
  const content = model.files.get(file);
  if (content === undefined) {
    refuse(response, 404, 'EntryNotFound');
    return;
  }
  if (content.length > LARGE) {
    response.writeHead(302, { location: `${storage}/objects/${id}/${encodeURIComponent(file)}` });
    response.end();
    return;
  }
  sendContent(request, response, file, content, state);
}

function sendTree(response: ServerResponse, url: URL, { files }: ServedModel): void {
  const names = [...files.keys()];
  const folders = new Set(names.filter((name) => name.includes('/')).map((name) => name.split('/')[0]!));
  const entries = [
    ...[...folders].map((path) => ({ type: 'directory', path, oid: gitHash(Buffer.from(path)), size: 0 })),
    ...[...files].map(([path, content]) => ({
      type: 'file',
      path,
      oid: gitHash(content),
      size: content.length,
      ...(content.length > LARGE
        ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 }, xetHash: 'f'.repeat(64) }
        : {}),
    })),
  ];
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const end = start + PAGE;
  const next = new URL(url);
  next.searchParams.set('cursor', String(end));
  const address = `http://${response.req.headers.host}${next.pathname}${next.search}`;
  const headers = end < entries.length ? { link: `<${address}>; rel="next"` } : {};
  sendJson(response, entries.slice(start, end), headers as Record<string, string>);
}

/** Sends a file or the asked part of it, with the fault that is due for its path. */
function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  right: Buffer,
  state: HubState,
): void {
  const { cuts, statuses, contents, ignoresRanges = false, stalls } = state.faults;
  const status = statuses?.get(path)?.shift();
  if (status !== undefined) {
    response.writeHead(status);
    response.end();
    return;
  }
  const content = contents?.get(path) ?? right;
  const [, asked] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const begin = asked === undefined || ignoresRanges ? 0 : Number(asked);
  if (begin >= content.length && content.length > 0) {
    refuse(response, 416, 'RangeNotSatisfiable');
    return;
  }
  const part = content.subarray(begin);
  response.writeHead(begin > 0 ? 206 : 200, {
    'content-length': part.length,
    ...(begin > 0 ? { 'content-range': `bytes ${begin}-${content.length - 1}/${content.length}` } : {}),
  });
  const cut = cuts?.get(path)?.shift();
  const stall = stalls?.get(path);
  const destroy = () => request.socket.destroy();
  if (cut === 0) {
    response.flushHeaders();
    destroy();
  } else if (cut !== undefined) {
    state.cut = { path, at: begin + cut, destroy };
    response.write(part.subarray(0, cut));
  } else if (stall !== undefined) {
    response.write(part.subarray(0, stall));
  } else {
    response.end(part);
  }
}
