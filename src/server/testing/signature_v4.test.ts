import { AwsV4Signer } from 'aws4fetch';
import { describe, expect, it } from 'vitest';
import { readAuthorization, signatureOf } from './signature_v4.ts';

/** Requests and signatures of the Amazon S3 API Reference, "Examples: Signature Calculations". */
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const HOST = 'examplebucket.s3.amazonaws.com';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const PUBLISHED: readonly [string, string, string, Record<string, string>, string][] = [
  [
    'an object',
    'GET',
    '/test.txt',
    { range: 'bytes=0-9', 'x-amz-content-sha256': EMPTY },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'an upload',
    'PUT',
    '/test%24file.text',
    {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'a parameter without a value',
    'GET',
    '/?lifecycle',
    { 'x-amz-content-sha256': EMPTY },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'a list',
    'GET',
    '/?max-keys=2&prefix=J',
    { 'x-amz-content-sha256': EMPTY },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
];

describe('signatureOf', () => {
  it.each(PUBLISHED)('gives the published signature of %s', (_, method, target, more, expected) => {
    const headers = { host: HOST, 'x-amz-date': '20130524T000000Z', ...more };
    const signedHeaders = Object.keys(headers).sort();
    const request = { method, target, headers };
    const authorization = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', scope: SCOPE, signedHeaders };
    expect(signatureOf(request, authorization, SECRET)).toBe(expected);
  });

  it('agrees with the signer on keys and parameters with every kind of character', async () => {
    const url = `https://${HOST}/a%20b/%C3%A9%2B%27%28%29%2A%21~/c?uploadId=a%2Fb%2B%3D&partNumber=12`;
    const signed = await new AwsV4Signer({
      ...{ method: 'PUT', url, service: 's3', region: 'eu-central-1' },
      ...{ accessKeyId: 'key', secretAccessKey: SECRET, sessionToken: 'to/ken+=' },
      headers: { 'x-amz-content-sha256': EMPTY, 'x-amz-meta-sha256': 'a  b' },
    }).sign();
    const headers: Record<string, string> = { host: HOST, ...Object.fromEntries(signed.headers) };
    headers['x-amz-meta-sha256'] = 'a b';
    const authorization = readAuthorization(headers.authorization!)!;
    const target = url.slice(`https://${HOST}`.length);
    expect(authorization.signedHeaders).toContain('x-amz-security-token');
    expect(signatureOf({ method: 'PUT', target, headers }, authorization, SECRET)).toBe(
      authorization.signature,
    );
    const other = signatureOf({ method: 'GET', target, headers }, authorization, SECRET);
    expect(other).not.toBe(authorization.signature);
  });
});
