/** A real `evenhand serve` in a process of its own, for tests that walk through the terminal. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A running server. */
export interface RealServer {
  readonly url: string;
  /** Ends it as a signal from outside does; returns its exit status, and everything that it wrote. */
  stop(): Promise<{ readonly status: number | null; readonly output: string }>;
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Starts the server on a free port of 127.0.0.1, without login.
 * @param options further options of the command, such as `--model tiny=folder`
 * @throws Error with what it wrote, when it ends before it listens
 */
export function startRealServer(options: readonly string[]): Promise<RealServer> {
  const args = ['serve', '--port', '0', '--device', 'cpu', '--threads', '1', '--log-level', 'warn'];
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args, ...options], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return new Promise((resolve, reject) => {
    const read = (text: string) => {
      output += text;
      const [, url] = /^listening on (http\S+)$/m.exec(output) ?? [];
      if (url === undefined) return;
      resolve({
        url,
        async stop() {
          child.kill('SIGTERM');
          return { status: await ended, output };
        },
      });
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', read);
    void ended.then((status) => reject(new Error(`evenhand serve ended with ${status}: ${output}`)));
  });
}
