/** AWS Signature Version 4 as the receiving side computes it, from the algorithm in the Amazon S3 API Reference. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A request as it came over the wire. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query, undecoded. */
  readonly target: string;
  /** Headers with names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The parts of a header `Authorization`. */
export interface Authorization {
  readonly accessKeyId: string;
  /** `date/region/service/aws4_request`. */
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/** Reads the header `Authorization`; null where it is none of this kind. */
export function readAuthorization(header: string): Authorization | null {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const [, accessKeyId, scope, signed, signature] = pattern.exec(header) ?? [];
  if (accessKeyId === undefined) return null;
  return { accessKeyId, scope: scope!, signedHeaders: signed!.split(';'), signature: signature! };
}

/** Signature of a request: "Authenticating Requests: Using the Authorization Header", tasks 1 to 3. */
export function signatureOf(
  { method, target, headers }: ReceivedRequest,
  { scope, signedHeaders }: Omit<Authorization, 'signature'>,
  secret: string,
): string {
  const [path = '', query = ''] = target.split('?');
  const canonicalQuery = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('=').map((part) => encode(decodeURIComponent(part))))
    .map(([name, value = '']) => `${name}=${value}`)
    .sort()
    .join('&');
  const canonicalHeaders = signedHeaders.map((name) => `${name}:${(headers[name] ?? '').trim()}\n`).join('');
  const canonical = [
    method,
    path
      .split('/')
      .map((part) => encode(decodeURIComponent(part)))
      .join('/'),
    canonicalQuery,
    canonicalHeaders,
    signedHeaders.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, digest].join('\n');
  const key = scope
    .split('/')
    .reduce<string | Buffer>(
      (last, part) => createHmac('sha256', last).update(part).digest(),
      `AWS4${secret}`,
    );
  return createHmac('sha256', key).update(toSign).digest('hex');
}

/** Whether two signatures are the same. */
export function isSameSignature(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

/** Every byte but the unreserved characters as `%` and two capital digits. */
function encode(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[A-Za-z0-9._~-]/.test(character)) return character;
      return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
