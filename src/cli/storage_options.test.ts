import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { UsageError } from './errors.ts';
import { addStorageOptions, storageOf } from './storage_options.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'token' };

function parse(args: readonly string[]) {
  const command = addStorageOptions(new Command()).exitOverride();
  return storageOf(command.parse(args, { from: 'user' }).opts(), KEYS);
}

describe('the options of storage', () => {
  it('name no bucket when none is given', () => {
    expect(parse([])).toBeUndefined();
  });

  it.each([
    [['--storage', 's3://b-1'], true, 'https://s3.eu-x-1.amazonaws.com/', false],
    [['--storage', 's3://b-1', '--storage-path-style'], true, 'https://s3.eu-x-1.amazonaws.com/', true],
    [['--storage', 's3://b-1', '--storage-endpoint', 'http://h:9000'], false, 'http://h:9000/', true],
    [
      ['--storage', 's3://b-1', '--storage-endpoint', 'https://h', '--no-storage-path-style'],
      false,
      'https://h/',
      false,
    ],
  ])('%j', (args, hasRegion, endpoint, pathStyle) => {
    const settings = parse([...args, ...(hasRegion ? ['--storage-region', 'eu-x-1'] : [])])!;
    expect(settings).toMatchObject({ bucket: 'b-1', prefix: '', pathStyle });
    expect(settings.region).toBe(hasRegion ? 'eu-x-1' : 'us-east-1');
    expect(settings.endpoint.href).toBe(endpoint);
    expect(settings.credentials).toEqual({
      accessKeyId: 'key',
      secretAccessKey: 'secret',
      sessionToken: 'token',
    });
  });

  it.each([
    [['--storage-region', 'eu-x-1'], /--storage-region: expected --storage beside it/],
    [['--no-storage-path-style'], /--storage-path-style: expected --storage/],
    [['--storage', '/var/files'], /expected s3:\/\/bucket/],
  ])('refuse %j', (args, message) => {
    expect(() => parse(args)).toThrow(UsageError);
    expect(() => parse(args)).toThrow(message);
  });
});
