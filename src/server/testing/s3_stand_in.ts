/** Object storage for tests: an HTTP or HTTPS server in this process that speaks the part of S3 that Evenhand uses, and fails on demand. */

import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { isSameSignature, readAuthorization, signatureOf } from './signature_v4.ts';

/** Credentials that the stand-in knows. */
export const STAND_IN_CREDENTIALS = Object.freeze({
  accessKeyId: 'STANDINKEY',
  secretAccessKey: 'stand/in+secret',
  sessionToken: 'stand-in-session',
});

/** A request that was received whole and signed well. */
export interface SeenRequest {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * What happens to a request: `pass`; a status and code to answer; `reset` closes the connection without an answer, `cut` in the
 * middle of the answer, `lost` after the work was done.
 */
export type Fate = 'pass' | 'reset' | 'cut' | 'lost' | { readonly status: number; readonly code: string };

/** An object of the stand-in. */
export interface StandInObject {
  readonly content: Buffer;
  readonly tag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A running stand-in with one bucket. */
export interface S3StandIn {
  readonly bucket: string;
  readonly endpoint: string;
  /** Objects by key: look, put back, remove. */
  readonly objects: Map<string, StandInObject>;
  /** Uploads in parts that were neither ended nor taken back. */
  readonly uploads: Map<string, unknown>;
  /** Requests so far. */
  readonly seen: SeenRequest[];
  /** Decides what becomes of each request; every one passes at first. */
  fate: (request: SeenRequest) => Fate;
  /** Seconds that its clock is ahead of this machine's. */
  clock: number;
  close(): Promise<void>;
}

/** Sizes that are enforced. */
export interface StandInOptions {
  /** Fewest bytes of a part that is not the last. */
  readonly leastPart?: number;
  /** Objects on a page of a list. */
  readonly pageSize?: number;
  /** Certificate and key (PEM) for TLS; plain HTTP when left out. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

const BUCKET = 'stand-in';
const REGION = 'eu-test-1';
const MOST_SKEW_SECONDS = 900;

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string = code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Upload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, { readonly content: Buffer; readonly tag: string }>;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Starts a stand-in on a free port; its bucket `stand-in` lies in the region `eu-test-1` and is addressed in paths. */
export async function startS3StandIn(options: StandInOptions = {}): Promise<S3StandIn> {
  const { leastPart = 5 * 2 ** 20, pageSize = 1000, tls } = options;
  const uploads = new Map<string, Upload>();
  const take = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined
      ? createServer(take)
      : createSecureServer({ cert: tls.certificate, key: tls.key }, take);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const standIn = {
    bucket: BUCKET,
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects: new Map<string, StandInObject>(),
    uploads: uploads as Map<string, unknown>,
    seen: [] as SeenRequest[],
    fate: (_request: SeenRequest): Fate => 'pass',
    clock: 0,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    let reply: Reply;
    let fate: Fate = 'pass';
    try {
      const seen = receive(request, body);
      standIn.seen.push(seen);
      fate = standIn.fate(seen);
      if (fate === 'reset') return void request.socket.destroy();
      if (typeof fate === 'object') throw new Refusal(fate.status, fate.code);
      reply = carryOut(seen);
      if (fate === 'lost') return void request.socket.destroy();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
      reply = { status, headers: { 'content-type': 'application/xml' }, body: text };
    }
    const content = Buffer.from(reply.body ?? '');
    response.sendDate = false;
    response.writeHead(reply.status, {
      date: new Date(now()).toUTCString(),
      'content-length': String(content.length),
      ...reply.headers,
    });
    if (request.method === 'HEAD') response.end();
    else if (fate === 'cut') {
      response.write(content.subarray(0, Math.floor(content.length / 2)), () => request.socket.destroy());
    } else response.end(content);
  }

  const now = () => Date.now() + standIn.clock * 1000;

  /** Checks the signature, and everything that it does not cover. */
  function receive(request: IncomingMessage, body: Buffer): SeenRequest {
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const { method = '', url: target = '' } = request;
    const authorization = readAuthorization(headers.authorization ?? '');
    if (authorization === null) throw new Refusal(403, 'AccessDenied');
    if (authorization.accessKeyId !== STAND_IN_CREDENTIALS.accessKeyId) {
      throw new Refusal(403, 'InvalidAccessKeyId');
    }
    const date = headers['x-amz-date'] ?? '';
    if (authorization.scope !== `${date.slice(0, 8)}/${REGION}/s3/aws4_request`) {
      throw new Refusal(
        400,
        'AuthorizationHeaderMalformed',
        `expected the region</Message><Region>${REGION}</Region><Message>`,
      );
    }
    const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
    if (!mustBeSigned.every((name) => authorization.signedHeaders.includes(name))) {
      throw new Refusal(403, 'AccessDenied', 'headers that are not signed');
    }
    const expected = signatureOf(
      { method, target, headers },
      authorization,
      STAND_IN_CREDENTIALS.secretAccessKey,
    );
    if (!isSameSignature(expected, authorization.signature)) throw new Refusal(403, 'SignatureDoesNotMatch');
    if (headers['x-amz-security-token'] !== STAND_IN_CREDENTIALS.sessionToken) {
      throw new Refusal(400, 'InvalidToken');
    }
    const sent = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..)Z$/, '$1-$2-$3:$4:$5Z'));
    if (Math.abs(sent - now()) > MOST_SKEW_SECONDS * 1000) throw new Refusal(403, 'RequestTimeTooSkewed');
    if (headers['x-amz-content-sha256'] !== createHash('sha256').update(body).digest('hex')) {
      throw new Refusal(400, 'XAmzContentSHA256Mismatch');
    }
    if (method === 'PUT' && headers['content-length'] === undefined)
      throw new Refusal(411, 'MissingContentLength');
    const [path = '', query = ''] = target.split('?');
    const [, bucket, ...key] = path.split('/').map(decodeURIComponent);
    if (bucket !== BUCKET) throw new Refusal(404, 'NoSuchBucket');
    return { method, key: key.join('/'), query: new URLSearchParams(query), headers, body };
  }

  function carryOut(request: SeenRequest): Reply {
    const { method, key, query } = request;
    if (key === '') {
      if (method === 'GET' && query.get('list-type') === '2') return list(query);
      throw new Refusal(405, 'MethodNotAllowed');
    }
    if (method === 'POST' && query.has('uploads')) return begin(request);
    const uploadId = query.get('uploadId');
    if (uploadId !== null) return continueUpload(request, uploadId);
    if (method === 'PUT') return put(key, request.body, metaOf(request.headers));
    if (method === 'GET' || method === 'HEAD') return get(request);
    if (method === 'DELETE') {
      standIn.objects.delete(key);
      return { status: 204 };
    }
    throw new Refusal(405, 'MethodNotAllowed');
  }

  function put(key: string, content: Buffer, headers: StandInObject['headers'], tag = tagOf(content)): Reply {
    standIn.objects.set(key, { content, tag, headers });
    return { status: 200, headers: { etag: tag } };
  }

  function get({ method, key, headers }: SeenRequest): Reply {
    const found = standIn.objects.get(key);
    if (found === undefined) throw new Refusal(404, 'NoSuchKey');
    const own = { ...found.headers, etag: found.tag };
    if (headers['if-none-match'] === found.tag) return { status: 304, headers: own };
    if ((headers['if-match'] ?? found.tag) !== found.tag) throw new Refusal(412, 'PreconditionFailed');
    const [, start] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
    if (method === 'HEAD') {
      return { status: 200, headers: { ...own, 'content-length': String(found.content.length) } };
    }
    if (start === undefined) return { status: 200, headers: own, body: found.content };
    if (Number(start) >= found.content.length) throw new Refusal(416, 'InvalidRange');
    const range = `bytes ${start}-${found.content.length - 1}/${found.content.length}`;
    return {
      status: 206,
      headers: { ...own, 'content-range': range },
      body: found.content.subarray(Number(start)),
    };
  }

  function list(query: URLSearchParams): Reply {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...standIn.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, Math.min(pageSize, Number(query.get('max-keys') ?? 1000)));
    const isTruncated = page.length < keys.length;
    const contents = page.map((key) => {
      const { content, tag } = standIn.objects.get(key)!;
      return `<Contents><Key>${escaped(key)}</Key><ETag>${escaped(tag)}</ETag><Size>${content.length}</Size></Contents>`;
    });
    const next = isTruncated ? `<NextContinuationToken>${escaped(page.at(-1)!)}</NextContinuationToken>` : '';
    const body = `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`;
    return { status: 200, headers: { 'content-type': 'application/xml' }, body };
  }

  function begin({ key, headers }: SeenRequest): Reply {
    const id = `${randomBytes(6).toString('hex')}+/=`;
    uploads.set(id, { key, headers: metaOf(headers), parts: new Map() });
    const body = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
    return { status: 200, body };
  }

  function continueUpload({ method, key, query, body }: SeenRequest, id: string): Reply {
    const upload = uploads.get(id);
    if (upload === undefined || upload.key !== key) throw new Refusal(404, 'NoSuchUpload');
    if (method === 'DELETE') {
      uploads.delete(id);
      return { status: 204 };
    }
    if (method === 'PUT') {
      const tag = tagOf(body);
      upload.parts.set(Number(query.get('partNumber')), { content: body, tag });
      return { status: 200, headers: { etag: tag } };
    }
    const asked = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)];
    const parts = asked.map(([, number, tag], i) => {
      const part = upload.parts.get(Number(number));
      if (Number(number) !== i + 1 || part?.tag !== tag!.replaceAll('&quot;', '"')) {
        throw new Refusal(400, 'InvalidPart');
      }
      const isSmall = part.content.length < leastPart && i < asked.length - 1;
      if (isSmall) throw new Refusal(400, 'EntityTooSmall');
      return part.content;
    });
    uploads.delete(id);
    const digests = parts.map((part) => createHash('md5').update(part).digest());
    const tag = `"${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${parts.length}"`;
    put(key, Buffer.concat(parts), upload.headers, tag);
    const done = `<CompleteMultipartUploadResult><ETag>${escaped(tag)}</ETag></CompleteMultipartUploadResult>`;
    return { status: 200, body: done };
  }

  return standIn;
}

function tagOf(content: Buffer): string {
  return `"${createHash('md5').update(content).digest('hex')}"`;
}

function metaOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
