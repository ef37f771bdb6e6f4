/** `evenhand serve`: the HTTP API and the browser terminal. */

import { existsSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DeviceName } from '../../graph/index.ts';
import { createLogger, LOG_LEVELS } from '../../server/operations/logger.ts';
import type { Started } from '../../server/server.ts';
import { EvenhandServer } from '../../server/server.ts';
import { parseHubId } from '../../weights/hub/hub_id.ts';
import { cancellable } from '../cancellation.ts';
import { UsageError } from '../errors.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import { EMBEDDED_MODEL, resolveModel } from '../models.ts';
import { deviceOption, integer, memoryOption, threadsOption } from '../options.ts';
import { packagePath, packageVersion } from '../package.ts';
import { createProgress } from '../progress.ts';
import { PROMPT_LISTS, resolvePrompts } from '../prompts.ts';
import type { StorageOptions } from '../storage_options.ts';
import { addStorageOptions, STORAGE_HELP, storageOf } from '../storage_options.ts';

interface ServeOptions extends StorageOptions {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  readonly database?: string;
  readonly model?: ReadonlyMap<string, string>;
  readonly login?: boolean;
  readonly certificate?: string;
  readonly key?: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly grace: number;
  readonly largestUpload: number;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly memory?: number;
}

const HELP = `
On 127.0.0.1, the default, no login is needed. Other addresses need API keys: start once with --login on 127.0.0.1, which
prints the first admin key, and only this once; with it, make others at /api/v1/keys.

State lies in the data folder: the database (PostgreSQL inside the process, or the server of --database), images, runs,
reports, adapters. A stopped server goes on with its jobs when it is started again.

${STORAGE_HELP}

Examples:
  evenhand serve
  evenhand serve --login
  evenhand serve --host 0.0.0.0 --certificate server.crt --key server.key
  evenhand serve --model portraits=portraits --model sd=/models/sd-1.5 --database postgres://user@db/evenhand
  evenhand serve --storage s3://evenhand/team --storage-endpoint http://minio:9000`;

/** Makes the command. */
export function serveCommand(io: Io): Command {
  const command = new Command('serve')
    .summary('serve the API and the browser terminal')
    .description(
      'Serves drawing, fine-tuning and evaluation over HTTP: a native API, those of OpenAI and AUTOMATIC1111, and a\n' +
        'browser terminal.',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('-p, --port <number>', 'port to listen on; 0 for any free one', integer(0, 65_535), 7860)
    .option('--data <folder>', 'where the server keeps its state', 'runs/server')
    .addOption(
      new Option(
        '--database <address>',
        'postgres://user:password@host/name (default: embedded in the data folder)',
      ).argParser(databaseAddress),
    );
  return addStorageOptions(command)
    .addOption(
      new Option(
        '-m, --model <name=model>',
        'model by a name: portraits, a folder, a .safetensors checkpoint or a hub id; may be given several times, the first is the default (default: portraits)',
      ).argParser(collectModel),
    )
    .option('--login', 'ask for API keys on this machine too')
    .option('--certificate <file>', 'TLS certificate chain, PEM')
    .option('--key <file>', "the certificate's private key, PEM")
    .addOption(
      new Option('--log-level <level>', 'least severe lines of the log').choices(LOG_LEVELS).default('info'),
    )
    .option('--grace <seconds>', 'how long images being drawn may take when stopping', integer(0, 3600), 30)
    .option('--largest-upload <MiB>', 'largest adapter file that is taken', integer(1, 1_000_000), 2048)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption(' of each worker process'))
    .addHelpText('after', HELP)
    .action((options: ServeOptions) => serve(options, io));
}

async function serve(options: ServeOptions, io: Io): Promise<void> {
  const server = await openServer(options, io);
  const stopped = new Promise<void>((resolve) => {
    const stop = () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      io.stdout.write('stopping: running work ends or goes back to the queue; Ctrl-C again stops at once\n');
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
  try {
    announce(await startServer(server), io);
    await stopped;
  } finally {
    await server.stop(options.grace * 1000);
  }
}

/** The address of a PostgreSQL server; a word or another scheme would silently become the name of a folder. */
function databaseAddress(text: string): string {
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  throw new InvalidArgumentError('Expected an address that begins with postgres:// or postgresql://.');
}

async function openServer(options: ServeOptions, io: Io): Promise<EvenhandServer> {
  const { host, port, data, database, certificate, key, login = false } = options;
  if ((certificate === undefined) !== (key === undefined)) {
    throw new UsageError('--certificate and --key: expected both or none');
  }
  const storage = storageOf(options, process.env);
  const models = await resolveModels(options.model ?? new Map([[EMBEDDED_MODEL, EMBEDDED_MODEL]]), io);
  const source = import.meta.url.endsWith('.ts');
  return EvenhandServer.open({
    version: packageVersion(),
    host,
    port,
    dataFolder: data,
    ...(database === undefined ? {} : { database }),
    ...(storage === undefined ? {} : { storage }),
    models,
    promptSets: { names: PROMPT_LISTS, promptsOf: (name, split) => resolvePrompts(name, split) },
    login,
    ...(certificate === undefined ? {} : { tls: { certificate, key: key! } }),
    logger: createLogger(options.logLevel),
    terminal: packagePath('web/dist'),
    mostQueued: 1000,
    largestUpload: options.largestUpload * 2 ** 20,
    leaseSeconds: 30,
    lanes: {
      worker: new URL(`../tasks/worker.${source ? 'ts' : 'js'}`, import.meta.url),
      workerArguments: [options.device, String(options.threads ?? 0), String(options.memory ?? 0)],
      mostImages: 8,
      heartbeatMilliseconds: 5000,
      pollMilliseconds: 2000,
      idleMilliseconds: 600_000,
    },
  }).catch((error: Error) => {
    throw new UsageError(error.message, { cause: error });
  });
}

function startServer(server: EvenhandServer): Promise<Started> {
  return server.start().catch((error: Error) => {
    throw new UsageError(error.message, { cause: error });
  });
}

function announce({ url, adminKey }: Started, io: Io): void {
  io.stdout.write(`listening on ${url}\n`);
  if (adminKey !== null) {
    io.stdout.write(`first admin key, shown only now: ${adminKey}\n`);
  }
}

/** Folders of models by name; those of the hub are downloaded first. */
async function resolveModels(models: ReadonlyMap<string, string>, io: Io): Promise<Map<string, string>> {
  const progress = createProgress({ output: io.stdout, display: io.stderr });
  const folders = new Map<string, string>();
  for (const [name, model] of models) {
    await cancellable((signal) => fetchModel(model, progress, signal), progress.note);
    folders.set(name, resolveModel(model));
  }
  progress.finish();
  return folders;
}

/** Parser of `name=model`, or of a model alone: `portraits`, a folder, a single-file checkpoint, a hub id. */
function collectModel(text: string, earlier: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const [, name = text, folder = text] = /^([A-Za-z0-9][\w.-]*)=(.+)$/.exec(text) ?? [];
  const isPath = existsSync(name) || parseHubId(name) !== null;
  const shown = isPath ? name.replace(/\/+$/, '').split('/').at(-1)!.replace(/@.*$/, '') : name;
  if (earlier.has(shown))
    throw new InvalidArgumentError(`Expected models of different names, received ${shown} twice.`);
  return new Map([...earlier, [shown, folder]]);
}
