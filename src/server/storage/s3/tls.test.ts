import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../../../test/server/self_signed_certificate.ts';
import type { FaultyProxy } from '../../testing/faulty_proxy.ts';
import { startFaultyProxy } from '../../testing/faulty_proxy.ts';
import type { TestSwift } from '../../testing/swift.ts';
import { SWIFT_CREDENTIALS, SWIFT_REGION, startSwift } from '../../testing/swift.ts';
import type { S3Options, S3Settings } from './address.ts';
import { s3Settings } from './address.ts';
import type { Bucket } from './bucket.ts';
import { openBucket } from './bucket.ts';
import { createS3Client } from './requests.ts';

const PART = 64 * 1024;
const folder = mkdtempSync(path.join(tmpdir(), 'bucket-tls-'));
const at = (name: string) => path.join(folder, name);
const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: SWIFT_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: SWIFT_CREDENTIALS.secretAccessKey,
  AWS_SESSION_TOKEN: SWIFT_CREDENTIALS.sessionToken,
};
const asked: string[] = [];
const opened: Bucket[] = [];
let swift: TestSwift;
let secure: FaultyProxy;
let plain: FaultyProxy;

beforeAll(async () => {
  const own = selfSignedCertificate();
  const files = {
    'own.crt': own.certificate,
    'other.crt': selfSignedCertificate('Another authority').certificate,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text);
  writeFileSync(at('both.crt'), `${files['other.crt']}\n# the authority of the storage\n${files['own.crt']}`);
  writeFileSync(at('own.key'), own.key);
  writeFileSync(at('broken.crt'), files['own.crt'].replace('MII', 'XXX'));
  swift = await startSwift({ leastPart: PART });
  secure = await startFaultyProxy(swift.endpoint, own);
  plain = await startFaultyProxy(swift.endpoint);
});
afterAll(async () => {
  for (const bucket of opened) bucket.close();
  await secure.close();
  await plain.close();
  await swift.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  asked.length = 0;
  secure.seen.length = 0;
});

/** Settings as the command line and the environment give them. */
function settingsOf(options: Partial<S3Options>, environment: Record<string, string> = {}): S3Settings {
  const given = { address: `s3://${swift.bucket}/p`, endpoint: secure.endpoint, region: SWIFT_REGION };
  const settings = s3Settings({ ...given, ...options }, { ...ENVIRONMENT, ...environment });
  return { ...settings, partBytes: PART, retry: { attempts: 4, firstMilliseconds: 1, mostMilliseconds: 2 } };
}

function open(settings: S3Settings): Bucket {
  const onRequest = (operation: string, status: string) => asked.push(`${operation} ${status}`);
  const bucket = openBucket(createS3Client(settings, { onRequest, onBytes() {} }));
  opened.push(bucket);
  return bucket;
}

describe('a bucket behind a private authority', () => {
  it.each([
    ['--storage-ca', () => settingsOf({ authorities: at('own.crt') })],
    ['AWS_CA_BUNDLE', () => settingsOf({}, { AWS_CA_BUNDLE: at('both.crt') })],
  ])('keeps files over TLS with %s, whole and in parts', async (_name, settings) => {
    const bucket = open(settings());
    for (const bytes of [5, 3 * PART + 1]) {
      writeFileSync(at('file'), Buffer.alloc(bytes, 'content'));
      const { tag } = (await bucket.put('f/a', at('file')))!;
      expect(await bucket.fetch('f/a', at('received'))).toBe(tag);
      expect(readFileSync(at('received')).equals(readFileSync(at('file')))).toBe(true);
    }
    expect((await bucket.list('f')).map(({ name }) => name)).toEqual(['f/a']);
    await bucket.remove('f/a');
    expect(asked).not.toContain('put none');
  });

  it('is trusted by NODE_EXTRA_CA_CERTS alone, which Node reads when it starts', async () => {
    const run = async (environment: Record<string, string>) => {
      const modules = ['./address.ts', './bucket.ts', './requests.ts'];
      const [address, bucket, requests] = modules.map((name) => new URL(name, import.meta.url).href);
      const script = `
        import { s3Settings } from '${address}';
        import { openBucket } from '${bucket}';
        import { createS3Client } from '${requests}';
        const options = { address: 's3://${swift.bucket}', endpoint: '${secure.endpoint}', region: '${SWIFT_REGION}' };
        const observer = { onRequest() {}, onBytes() {} };
        const bucket = openBucket(createS3Client(s3Settings(options, process.env), observer));
        console.log(await bucket.check(1).then(() => 'answered', (error) => error.message));
        bucket.close();`;
      const child = ['--import', 'tsx', '--input-type=module', '--eval', script];
      const env = { PATH: process.env.PATH, ...ENVIRONMENT, ...environment };
      return (await promisify(execFile)(process.execPath, child, { env })).stdout.trim();
    };
    const [trusting, other] = await Promise.all([run({ NODE_EXTRA_CA_CERTS: at('own.crt') }), run({})]);
    expect(trusting).toBe('answered');
    expect(other).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
  });
});

describe('a bucket that cannot be trusted', () => {
  const named = (host: string) => secure.endpoint.replace('127.0.0.1', host);
  it.each([
    [
      'nothing vouches',
      () => settingsOf({}),
      /DEPTH_ZERO_SELF_SIGNED_CERT; .*--storage-ca or AWS_CA_BUNDLE, or in NODE_EXTRA/,
    ],
    [
      'another vouches',
      () => settingsOf({ authorities: at('other.crt') }),
      /; its certificate is signed by an authority that is not trusted/,
    ],
    [
      'the name is another',
      () => settingsOf({ endpoint: named('localhost'), authorities: at('own.crt') }),
      /ERR_TLS_CERT_ALTNAME_INVALID; its certificate is for another name/,
    ],
    [
      'it speaks no TLS',
      () => settingsOf({ endpoint: plain.endpoint.replace('http:', 'https:') }),
      /; it does not speak TLS there/,
    ],
  ])('is refused at once where %s', async (_name, settings, message) => {
    await expect(open(settings()).check(4)).rejects.toThrow(message);
    expect(asked).toEqual(['list none']);
    expect([...secure.seen, ...plain.seen]).toEqual([]);
  });

  it.each([
    ['missing.crt', 'ENOENT'],
    ['own.key', 'expected certificates in PEM, found none'],
    ['broken.crt', 'storage authorities'],
  ])('is not asked with a file of authorities such as %s', (name, message) => {
    expect(() => settingsOf({ authorities: at(name) })).toThrow(message);
    expect(() => settingsOf({ authorities: at(name) })).toThrow(at(name));
  });

  it('takes no authorities without TLS', () => {
    expect(() => settingsOf({ endpoint: plain.endpoint, authorities: at('own.crt') })).toThrow(
      /expected an endpoint of https:\/\/ beside them, received http:/,
    );
  });
});
