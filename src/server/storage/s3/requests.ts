/** Signed requests to a bucket (AWS Signature Version 4), sent again while the storage is only busy or the connection broke. */

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsV4Signer } from 'aws4fetch';
import type { RetrySettings, S3Settings } from './address.ts';
import { objectUrl } from './address.ts';
import type { RefusedAnswer } from './faults.ts';
import { faultOf, StorageFault, silenceOf } from './faults.ts';

/** A body that can be read as often as it is sent. */
export interface RequestBody {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  open(): Readable;
}

/** A request. */
export interface S3Request {
  /** Word for the log, errors and metrics, such as `put`. */
  readonly operation: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Whole key; empty for the bucket. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Asked for again each time that the request is sent. */
  readonly headers?: () => Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Statuses besides 2xx that are no fault. */
  readonly accept?: readonly number[];
  /** Milliseconds of silence after which the connection is given up; 30 s when left out. */
  readonly silenceMilliseconds?: number;
  /** Times that it is sent at most; as often as the settings say when left out. */
  readonly attempts?: number;
}

/** An answer whose body was not read yet. */
export interface S3Answer {
  readonly status: number;
  header(name: string): string | null;
  /** The body, piece by piece. @throws StorageFault when the connection breaks */
  pieces(): AsyncGenerator<Buffer>;
  /** The whole body, of answers that are small. */
  text(): Promise<string>;
}

/** Is told of every request that was sent. */
export interface RequestObserver {
  /** @param status HTTP status; `none` where no answer came */
  onRequest(operation: string, status: string, seconds: number): void;
  onBytes(direction: 'sent' | 'received', bytes: number): void;
}

/** Sends requests. */
export interface S3Client {
  readonly settings: S3Settings;
  /**
   * Sends a request until it is answered for good, and reads the answer; what breaks off on the way is sent and read again.
   * @param read takes what is wanted from the answer
   * @throws StorageFault when it is refused, or still not answered after the last attempt
   */
  send<Result>(request: S3Request, read: (answer: S3Answer) => Promise<Result>): Promise<Result>;
  /** Closes the connections that are kept. */
  close(): void;
}

const SILENCE_MILLISECONDS = 30_000;
const CONNECTIONS = 32;
const USUAL_RETRY: RetrySettings = Object.freeze({
  attempts: 10,
  firstMilliseconds: 200,
  mostMilliseconds: 10_000,
});
/** SHA-256 of nothing. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Largest answer that is read as text: a page of 1000 keys of 1024 bytes, escaped. */
const LARGEST_TEXT = 16 * 2 ** 20;

/** Makes a client of a bucket; nothing is sent yet. */
export function createS3Client(settings: S3Settings, observer: RequestObserver): S3Client {
  const isSecure = settings.endpoint.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: CONNECTIONS };
  const trust = settings.authorities === undefined ? {} : { ca: settings.authorities };
  const agent = isSecure ? new HttpsAgent({ ...options, ...trust }) : new HttpAgent(options);
  const { attempts, firstMilliseconds, mostMilliseconds } = settings.retry ?? USUAL_RETRY;

  async function sendOnce<Result>(
    request: S3Request,
    read: (answer: S3Answer) => Promise<Result>,
  ): Promise<Result> {
    const { operation, accept = [] } = request;
    const started = performance.now();
    const tell = (status: string) =>
      observer.onRequest(operation, status, (performance.now() - started) / 1000);
    let response: IncomingMessage;
    try {
      response = await exchange(request);
    } catch (error) {
      tell('none');
      throw error instanceof LocalFault ? error.cause : silenceOf(settings, operation, error as Error);
    }
    const status = response.statusCode!;
    tell(String(status));
    const answer = answerOf(settings, operation, response, observer);
    try {
      if ((status >= 200 && status < 300) || accept.includes(status)) return await read(answer);
      const refused: RefusedAnswer = { status, header: answer.header, body: await answer.text() };
      throw faultOf(settings, operation, refused);
    } finally {
      // A body that nobody wanted to the end would hold its connection.
      if (!response.complete) response.destroy();
    }
  }

  async function exchange(request: S3Request): Promise<IncomingMessage> {
    const { method, key, query, body, silenceMilliseconds = SILENCE_MILLISECONDS } = request;
    const url = objectUrl(settings, key, query);
    const signed = await new AwsV4Signer({
      ...settings.credentials,
      ...{ method, url: url.href, service: 's3', region: settings.region },
      headers: { ...request.headers?.(), 'x-amz-content-sha256': body?.sha256 ?? EMPTY_SHA256 },
    }).sign();
    const headers = {
      ...Object.fromEntries(signed.headers),
      ...(body === undefined && method !== 'POST' ? {} : { 'content-length': String(body?.bytes ?? 0) }),
    };
    return new Promise((resolve, reject) => {
      const start = isSecure ? httpsRequest : httpRequest;
      const sent = start(url, { method, headers, agent, timeout: silenceMilliseconds });
      const seconds = silenceMilliseconds / 1000;
      sent.on('timeout', () => sent.destroy(new Error(`silence for ${seconds} s`)));
      sent.on('response', (response) => {
        // Whoever reads it is told by the reading.
        response.on('error', () => {});
        resolve(response);
      });
      sent.on('error', reject);
      if (body === undefined) return sent.end();
      const source = body.open();
      source.on('error', (error) => {
        reject(new LocalFault(error));
        sent.destroy();
      });
      sent.on('close', () => source.destroy());
      source.on('end', () => observer.onBytes('sent', body.bytes));
      source.pipe(sent);
    });
  }

  return Object.freeze({
    settings,
    async send<Result>(request: S3Request, read: (answer: S3Answer) => Promise<Result>) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await sendOnce(request, read);
        } catch (error) {
          const isLast = attempt >= (request.attempts ?? attempts);
          if (isLast || !(error instanceof StorageFault) || !error.isTransient) throw error;
          const longest = Math.min(mostMilliseconds, firstMilliseconds * 2 ** (attempt - 1));
          // Those that were turned away together do not come back together.
          await sleep(longest * (0.5 + Math.random() / 2));
        }
      }
    },
    close: () => agent.destroy(),
  });
}

/** A body could not be read here: no reason to try again. */
class LocalFault extends Error {
  override readonly cause: Error;
  constructor(cause: Error) {
    super(cause.message);
    this.cause = cause;
  }
}

function answerOf(
  settings: S3Settings,
  operation: string,
  response: IncomingMessage,
  observer: RequestObserver,
): S3Answer {
  async function* pieces(): AsyncGenerator<Buffer> {
    const iterator = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      const next = await iterator.next().catch((error: Error) => {
        throw silenceOf(settings, operation, error);
      });
      if (next.done) return;
      observer.onBytes('received', next.value.length);
      yield next.value;
    }
  }
  return {
    status: response.statusCode!,
    header(name) {
      const value = response.headers[name];
      return (Array.isArray(value) ? value[0] : value) ?? null;
    },
    pieces,
    async text() {
      const read: Buffer[] = [];
      let bytes = 0;
      for await (const piece of pieces()) {
        bytes += piece.length;
        if (bytes > LARGEST_TEXT) {
          const message = `${operation} was answered with more than ${LARGEST_TEXT} bytes`;
          throw silenceOf(settings, operation, new Error(message));
        }
        read.push(piece);
      }
      return Buffer.concat(read).toString('utf8');
    },
  };
}
