import { describe, expect, it } from 'vitest';
import type { S3Options } from './address.ts';
import { keyOf, objectUrl, s3Settings } from './address.ts';
import { partBytesOf } from './put_file.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'hidden' };
const MIB = 2 ** 20;

describe('s3Settings', () => {
  const CASES: readonly [
    Omit<S3Options, 'address'> & { address?: string },
    Record<string, string>,
    string,
  ][] = [
    [{}, {}, 'https://images.s3.us-east-1.amazonaws.com/a/b%20c'],
    [{ region: 'eu-central-1' }, { AWS_REGION: 'x' }, 'https://images.s3.eu-central-1.amazonaws.com/a/b%20c'],
    [{}, { AWS_REGION: 'sa-east-1' }, 'https://images.s3.sa-east-1.amazonaws.com/a/b%20c'],
    [{}, { AWS_DEFAULT_REGION: 'cn-north-1' }, 'https://images.s3.cn-north-1.amazonaws.com.cn/a/b%20c'],
    [{ pathStyle: true }, {}, 'https://s3.us-east-1.amazonaws.com/images/a/b%20c'],
    [{ address: 's3://my.images/p/q/' }, {}, 'https://s3.us-east-1.amazonaws.com/my.images/p/q/a/b%20c'],
    [{ address: 's3://images/p' }, {}, 'https://images.s3.us-east-1.amazonaws.com/p/a/b%20c'],
    [{ endpoint: 'http://localhost:9000' }, {}, 'http://localhost:9000/images/a/b%20c'],
    [{ endpoint: 'https://x.example/s3/', pathStyle: false }, {}, 'https://images.x.example/s3/a/b%20c'],
    [{ endpoint: 'https://x.example/s3/' }, {}, 'https://x.example/s3/images/a/b%20c'],
    [{}, { AWS_ENDPOINT_URL: 'http://a:1', AWS_ENDPOINT_URL_S3: 'http://b:2' }, 'http://b:2/images/a/b%20c'],
    [
      { endpoint: 'http://[::1]:9000' },
      { AWS_ENDPOINT_URL: 'http://a:1' },
      'http://[::1]:9000/images/a/b%20c',
    ],
  ];
  it.each(CASES)('of %j and %j leads to %s', (options, environment, expected) => {
    const settings = s3Settings({ address: 's3://images', ...options }, { ...KEYS, ...environment });
    expect(objectUrl(settings, keyOf(settings, 'a/b c')).href).toBe(expected);
  });

  const REFUSED: readonly [S3Options, Record<string, string>, RegExp][] = [
    [{ address: 'images' }, KEYS, /expected s3:\/\/bucket/],
    [{ address: 's3://' }, KEYS, /expected s3:\/\/bucket/],
    [{ address: 's3://Images' }, KEYS, /small letters/],
    [{ address: 's3://a..b' }, KEYS, /small letters/],
    [{ address: 's3://images/../x' }, KEYS, /prefix of plain names/],
    [{ address: 's3://images//x' }, KEYS, /prefix of plain names/],
    [{ address: 's3://images', endpoint: 'minio:9000' }, KEYS, /storage endpoint: expected an address/],
    [{ address: 's3://images', endpoint: 'https://me:hidden@host' }, KEYS, /received https:\/\/host$/],
    [{ address: 's3://images', region: 'eu/../x' }, KEYS, /storage region/],
    [{ address: 's3://images' }, {}, /found no AWS_ACCESS_KEY_ID/],
    [{ address: 's3://images' }, { AWS_ACCESS_KEY_ID: 'x' }, /found no AWS_SECRET_ACCESS_KEY/],
  ];
  it.each(REFUSED)('refuses %j with %j', (options, environment, message) => {
    expect(() => s3Settings(options, environment)).toThrow(message);
    expect(() => s3Settings(options, environment)).not.toThrow(/hidden@/);
  });
});

describe('keyOf', () => {
  const settings = s3Settings({ address: 's3://images/safe' }, KEYS);
  it.each(['../x', 'a/../../x', '/x', 'a//b', '', 'a/.b', 'a\\b', 'a\0', 'a/'])('refuses %j', (name) => {
    expect(() => keyOf(settings, name)).toThrow('expected a path of plain names');
  });
});

describe('partBytesOf', () => {
  it.each([
    [0, 16],
    [16 * 10_000, 16],
    [16 * 10_000 + 1, 17],
    [5 * MIB, 525],
  ])('of %i MiB are %i MiB, so that 10 000 parts are enough', (bytes, expected) => {
    expect(partBytesOf(bytes * MIB) / MIB).toBe(expected);
    expect(Math.ceil((bytes * MIB) / partBytesOf(bytes * MIB))).toBeLessThanOrEqual(10_000);
  });
});
