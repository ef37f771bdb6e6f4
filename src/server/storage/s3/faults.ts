/** What goes wrong with object storage, in words that name the bucket, the endpoint and the answer. */

import type { S3Settings } from './address.ts';
import { describeBucket } from './address.ts';
import { textOf } from './xml.ts';

/** The storage refused, or did not answer. */
export class StorageFault extends Error {
  override readonly name = 'StorageFault';
  /** HTTP status; null where no answer came. */
  readonly status: number | null;
  /** Code of the answer, such as `NoSuchKey`; empty where it had none. */
  readonly code: string;
  /** Whether the same request may succeed later. */
  readonly isTransient: boolean;

  /** A fault whose message stands as it is. */
  constructor(
    message: string,
    fields: { status: number | null; code?: string; isTransient: boolean; cause?: unknown },
  ) {
    super(message, fields.cause === undefined ? {} : { cause: fields.cause });
    this.status = fields.status;
    this.code = fields.code ?? '';
    this.isTransient = fields.isTransient;
  }
}

/** An answer that is no success: status, headers and body. */
export interface RefusedAnswer {
  readonly status: number;
  header(name: string): string | null;
  readonly body: string;
}

/** Codes under which the same request may succeed later, whatever their status (Amazon S3 API Reference, "Error responses"). */
const TRANSIENT_CODES: readonly string[] = Object.freeze([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'XAmzContentSHA256Mismatch',
]);
const CREDENTIAL_CODES: readonly string[] = Object.freeze([
  'AccessDenied',
  'AccountProblem',
  'AllAccessDisabled',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidSecurity',
  'InvalidToken',
  'SignatureDoesNotMatch',
]);

/** The fault that an answer means. */
export function faultOf(settings: S3Settings, operation: string, answer: RefusedAnswer): StorageFault {
  const { status, body } = answer;
  const code = textOf(body, 'Code') ?? '';
  const said = [String(status), code].filter((part) => part !== '').join(' ');
  const message = textOf(body, 'Message');
  const quoted = message === null ? said : `${said}: ${message}`;
  const advice = adviceOn(settings, code, answer);
  const isTransient = status >= 500 || status === 429 || status === 408 || TRANSIENT_CODES.includes(code);
  const text = `storage ${describeBucket(settings)}: ${operation} was answered ${quoted}`;
  return new StorageFault(advice === null ? text : `${text}; ${advice}`, { status, code, isTransient });
}

/** The fault of a request to which no whole answer came. */
export function silenceOf(settings: S3Settings, operation: string, cause: Error): StorageFault {
  const reason = (cause as NodeJS.ErrnoException).code ?? cause.message;
  const advice = TLS_ADVICE.find(({ codes }) => codes.includes(reason))?.advice;
  const text = `storage ${describeBucket(settings)}: ${operation} got no answer: ${reason}`;
  const isTransient = advice === undefined;
  return new StorageFault(isTransient ? text : `${text}; ${advice}`, { status: null, isTransient, cause });
}

/** What to do where no secure connection comes about (Node.js, "TLS", X509 certificate error codes; OpenSSL). */
const TLS_ADVICE = Object.freeze([
  {
    codes: [
      'CERT_SIGNATURE_FAILURE',
      'CERT_UNTRUSTED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_GET_ISSUER_CERT',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    advice:
      "its certificate is signed by an authority that is not trusted here: name the authority's own certificate (PEM) with " +
      '--storage-ca or AWS_CA_BUNDLE, or in NODE_EXTRA_CA_CERTS',
  },
  {
    codes: ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    advice: "its certificate is not valid now: it has to be renewed there, or this machine's clock set right",
  },
  {
    codes: ['ERR_TLS_CERT_ALTNAME_INVALID'],
    advice:
      'its certificate is for another name: see whether the endpoint is right, and --storage-path-style where only the bucket ' +
      'in front of the name is not in the certificate',
  },
  {
    codes: ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
    advice:
      'it does not speak TLS there: see whether the endpoint begins with http:// and whether its port is right',
  },
]);

/** What to do about an answer; null where its own words have to be enough. */
function adviceOn(settings: S3Settings, code: string, answer: RefusedAnswer): string | null {
  if (code === 'NoSuchBucket') {
    return `the bucket ${settings.bucket} does not exist there: create it, or see whether bucket, endpoint and region are right`;
  }
  if (code === 'RequestTimeTooSkewed') return clockAdvice(answer.header('date'));
  const region = answer.header('x-amz-bucket-region') ?? textOf(answer.body, 'Region');
  if (region !== null && region !== settings.region) {
    return `the bucket lies in the region ${region}, not in ${settings.region}`;
  }
  if (answer.status >= 300 && answer.status < 400) {
    const to = answer.header('location') ?? textOf(answer.body, 'Endpoint');
    return `the bucket is elsewhere${to === null ? '' : `, at ${to}`}: see whether endpoint and region are right`;
  }
  if (CREDENTIAL_CODES.includes(code) || answer.status === 401 || answer.status === 403) {
    return 'see whether AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN belong to a user who may list, read, write and delete there';
  }
  return null;
}

function clockAdvice(date: string | null): string {
  const theirs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return "see whether this machine's clock is right";
  const seconds = Math.round((Date.now() - theirs) / 1000);
  const direction = seconds > 0 ? 'ahead of' : 'behind';
  return `this machine's clock is ${Math.abs(seconds)} s ${direction} the storage's: set it right`;
}
