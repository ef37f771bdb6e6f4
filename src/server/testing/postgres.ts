/** A PostgreSQL server of the tests' own: a fresh cluster in a temporary folder, started and stopped by the test. */

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A running PostgreSQL server. */
export interface TestPostgres {
  /** Address of its database `postgres`. */
  readonly url: string;
  /** Folder of its programs. */
  readonly bin: string;
  /** Stops it and removes its folder. */
  stop(): void;
}

const ACCOUNT = 'nobody';
const DEBIAN = '/usr/lib/postgresql';

/**
 * Starts a PostgreSQL server on a free port of 127.0.0.1. It refuses to run as root: tests of root start it as `nobody`.
 * @throws Error when the programs of PostgreSQL are not installed
 */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = findPrograms();
  const folder = mkdtempSync(path.join(tmpdir(), 'postgres-'));
  const asRoot = process.getuid?.() === 0;
  if (asRoot) {
    const id = (flag: string) => Number(execFileSync('id', [flag, ACCOUNT], { encoding: 'utf8' }));
    chownSync(folder, id('-u'), id('-g'));
    chmodSync(folder, 0o700);
  }
  const run = (program: string, args: readonly string[]) => {
    const command = [path.join(bin, program), ...args];
    const [name, ...rest] = asRoot ? ['runuser', '-u', ACCOUNT, '--', ...command] : command;
    // The server would hold pipes open as long as it runs.
    const { status, error } = spawnSync(name!, rest, { stdio: 'ignore', cwd: '/' });
    if (status !== 0) throw new Error(`PostgreSQL: ${program} ended with ${error?.message ?? status}`);
  };
  const data = path.join(folder, 'data');
  const port = await freePort();
  try {
    run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8']);
    const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`;
    run('pg_ctl', ['-D', data, '-w', '-l', path.join(folder, 'log'), '-o', options, 'start']);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    bin,
    stop() {
      run('pg_ctl', ['-D', data, '-m', 'immediate', '-w', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function findPrograms(): string {
  const versions = existsSync(DEBIAN)
    ? readdirSync(DEBIAN).sort((one, other) => Number(other) - Number(one))
    : [];
  const asked = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const folders = [...versions.map((version) => path.join(DEBIAN, version, 'bin')), asked];
  const found = folders.find((folder) => folder !== '' && existsSync(path.join(folder, 'initdb')));
  if (found !== undefined) return found;
  throw new Error(
    `PostgreSQL: expected initdb below ${DEBIAN} or at pg_config --bindir, found none; run: sudo scripts/setup_system.sh`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
