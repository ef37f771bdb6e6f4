import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(path.join(tmpdir(), 'starts-swift-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('Swift lies in one folder, and ends and is gone with a test that is killed', async () => {
  const script = `
    import { readdirSync } from 'node:fs';
    import { startSwift } from '${new URL('./swift.ts', import.meta.url).href}';
    const swift = await startSwift();
    await swift.write('a key', { content: Buffer.from('kept'), sha256: null });
    console.log((await swift.read('a key')).content.toString(), ...readdirSync(process.env.TMPDIR));
    process.kill(process.pid, 'SIGKILL');`;
  const { signal, stdout } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    {
      env: { PATH: process.env.PATH, TMPDIR: folder },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  expect(signal).toBe('SIGKILL');
  // Beside what the loader of TypeScript keeps there.
  expect(stdout).toMatch(/^kept .*\bswift-/);
  await expect.poll(() => readdirSync(folder).filter((name) => name.startsWith('swift-'))).toEqual([]);
});
