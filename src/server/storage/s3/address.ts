/** Where a bucket is and who may use it: `s3://bucket/prefix`, an endpoint, a region and credentials, and addresses of objects. */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { isPlainPath } from '../files.ts';

/** Keys of requests. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** How often and how patiently a request is tried again. */
export interface RetrySettings {
  /** Times that a request is sent at most. */
  readonly attempts: number;
  /** Milliseconds before the second time; doubled for each further one, and shortened at random. */
  readonly firstMilliseconds: number;
  readonly mostMilliseconds: number;
}

/** A bucket and how to reach it. */
export interface S3Settings {
  readonly bucket: string;
  /** What every key begins with: empty, or a path that ends in `/`. */
  readonly prefix: string;
  readonly endpoint: URL;
  readonly region: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  readonly credentials: S3Credentials;
  /** Certificates (PEM) of the authorities that alone may vouch for the endpoint; those that Node trusts when left out. */
  readonly authorities?: string;
  /** Left out: ten times within about 40 s. */
  readonly retry?: RetrySettings;
  /** Bytes of a part; larger files are sent in parts. 16 MiB when left out. */
  readonly partBytes?: number;
}

/** What is said on the command line. */
export interface S3Options {
  /** `s3://bucket` or `s3://bucket/prefix`. */
  readonly address: string;
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly pathStyle?: boolean | undefined;
  /** File with certificates of authorities, PEM. */
  readonly authorities?: string | undefined;
}

/** Environment variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const USUAL_REGION = 'us-east-1';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * Settings from options and environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; where no option says
 * otherwise, `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, and `AWS_CA_BUNDLE`. Without an
 * endpoint it is AWS.
 * @throws Error naming the option, variable or file that is missing or malformed
 */
export function s3Settings(options: S3Options, environment: Environment): S3Settings {
  const { bucket, prefix } = parseAddress(options.address);
  const set = (name: string) => environment[name] || undefined;
  const region = options.region ?? set('AWS_REGION') ?? set('AWS_DEFAULT_REGION') ?? USUAL_REGION;
  if (!/^[A-Za-z0-9-]+$/.test(region)) {
    throw new Error(`storage region: expected a name like eu-central-1 or auto, received ${region}`);
  }
  const own = options.endpoint ?? set('AWS_ENDPOINT_URL_S3') ?? set('AWS_ENDPOINT_URL');
  const endpoint = parseEndpoint(own ?? awsEndpoint(region));
  const bundle = options.authorities ?? set('AWS_CA_BUNDLE');
  if (options.authorities !== undefined && endpoint.protocol !== 'https:') {
    throw new Error(
      `storage authorities: expected an endpoint of https:// beside them, received ${endpoint}`,
    );
  }
  const usual = own !== undefined || bucket.includes('.') || isIP(hostOf(endpoint)) !== 0;
  const accessKeyId = set('AWS_ACCESS_KEY_ID');
  const secretAccessKey = set('AWS_SECRET_ACCESS_KEY');
  const sessionToken = set('AWS_SESSION_TOKEN');
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY';
    throw new Error(
      `storage ${options.address}: expected credentials in the environment variables AWS_ACCESS_KEY_ID and ` +
        `AWS_SECRET_ACCESS_KEY, found no ${missing}`,
    );
  }
  const credentials = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
  return Object.freeze({
    ...{ bucket, prefix, endpoint, region, credentials },
    ...(bundle === undefined ? {} : { authorities: readAuthorities(bundle) }),
    pathStyle: options.pathStyle ?? usual,
  });
}

function parseAddress(address: string): Pick<S3Settings, 'bucket' | 'prefix'> {
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/.exec(address) ?? [];
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..')) {
    throw new Error(
      `storage: expected s3://bucket or s3://bucket/prefix, the bucket of 3 to 63 small letters, digits, dots and hyphens, received ${address}`,
    );
  }
  const prefix = rest.replace(/\/$/, '');
  if (prefix !== '' && !isPlainPath(prefix)) {
    throw new Error(
      `storage ${address}: expected a prefix of plain names joined by /, without empty or hidden ones`,
    );
  }
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

function awsEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isWeb = url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
  if (!isWeb || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    // An address may hold a password.
    const shown = text.replace(/\/\/[^@/]*@/, '//');
    throw new Error(
      `storage endpoint: expected an address like https://host or http://host:9000, received ${shown}`,
    );
  }
  return url;
}

function readAuthorities(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    const found = text.match(CERTIFICATE) ?? [];
    for (const certificate of found) new X509Certificate(certificate);
    if (found.length > 0) return text;
  } catch (error) {
    throw new Error(`storage authorities ${file}: ${(error as Error).message}`, { cause: error });
  }
  throw new Error(`storage authorities ${file}: expected certificates in PEM, found none`);
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3, as signatures of version 4 want it. */
export function encodeComponent(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Address of an object, or of the bucket where `key` is empty.
 * @param key whole, with the prefix
 * @param query parameters; those without a value are given as empty text
 */
export function objectUrl(
  { endpoint, bucket, pathStyle }: S3Settings,
  key: string,
  query: Readonly<Record<string, string>> = {},
): URL {
  const url = new URL(endpoint);
  const base = endpoint.pathname.replace(/\/$/, '');
  const path = key.split('/').map(encodeComponent).join('/');
  if (pathStyle) url.pathname = `${base}/${bucket}${key === '' ? '' : `/${path}`}`;
  else {
    url.hostname = `${bucket}.${endpoint.hostname}`;
    url.pathname = `${base}/${path}`;
  }
  url.search = Object.entries(query)
    .map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(value)}`)
    .join('&');
  return url;
}

/** The bucket as people call it: `s3://bucket/prefix at https://host`. */
export function describeBucket({ bucket, prefix, endpoint }: S3Settings): string {
  return `s3://${bucket}/${prefix} at ${endpoint.href.replace(/\/$/, '')}`;
}

/**
 * Key of a file.
 * @param name path with `/` below the prefix
 * @throws Error for a name that could lead elsewhere: with dots, empty or hidden parts, a backslash, a colon or NUL
 */
export function keyOf({ prefix }: S3Settings, name: string): string {
  if (!isPlainPath(name)) {
    throw new Error(`storage: expected a path of plain names, received ${JSON.stringify(name)}`);
  }
  return prefix + name;
}
