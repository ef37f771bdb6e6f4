/** Options that say where a server keeps files besides its data folder: a bucket of object storage. */

import type { Command } from 'commander';
import type { Environment, S3Settings } from '../server/storage/s3/address.ts';
import { s3Settings } from '../server/storage/s3/address.ts';
import { UsageError } from './errors.ts';

/** What the options hold. */
export interface StorageOptions {
  readonly storage?: string;
  readonly storageEndpoint?: string;
  readonly storageRegion?: string;
  readonly storagePathStyle?: boolean;
  readonly storageCa?: string;
}

/** What the help says on them. */
export const STORAGE_HELP = `With --storage, images, checkpoints, reports and adapters are kept in a bucket (Amazon S3, MinIO, R2, Ceph ...), and the data
folder holds copies that may be thrown away while the server is stopped; servers with one --database and one bucket work side
by side. The credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where there is one,
AWS_SESSION_TOKEN. AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION and AWS_CA_BUNDLE stand in for the
options. Bucket and credentials are tried before the server listens.`;

/** Adds the options to a command. */
export function addStorageOptions(command: Command): Command {
  return command
    .option(
      '--storage <address>',
      's3://bucket or s3://bucket/prefix that files are kept in (default: the data folder)',
    )
    .option('--storage-endpoint <address>', 'where the bucket is (default: Amazon S3 in the region)')
    .option('--storage-region <name>', 'region of the bucket (default: us-east-1)')
    .option(
      '--storage-ca <file>',
      'certificates (PEM) of the authorities that alone may vouch for the endpoint (default: those that Node trusts)',
    )
    .option('--storage-path-style', 'ask for ENDPOINT/BUCKET/KEY; the default with an endpoint of your own')
    .option('--no-storage-path-style', 'ask for BUCKET.ENDPOINT/KEY; the default on Amazon S3');
}

/**
 * The bucket that the options name; undefined where they name none.
 * @throws UsageError naming the option or variable that is missing or malformed
 */
export function storageOf(options: StorageOptions, environment: Environment): S3Settings | undefined {
  const { storage, storageEndpoint, storageRegion, storagePathStyle, storageCa } = options;
  if (storage === undefined) {
    const alone = Object.entries({
      '--storage-endpoint': storageEndpoint,
      '--storage-region': storageRegion,
      '--storage-path-style': storagePathStyle,
      '--storage-ca': storageCa,
    }).find(([, value]) => value !== undefined);
    if (alone === undefined) return undefined;
    throw new UsageError(`${alone[0]}: expected --storage beside it, received none`);
  }
  try {
    const address = { address: storage, endpoint: storageEndpoint, region: storageRegion };
    return s3Settings({ ...address, pathStyle: storagePathStyle, authorities: storageCa }, environment);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
