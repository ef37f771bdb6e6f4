import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tarArchive, tarBytes } from './tar.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tar-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CONTENTS: Readonly<Record<string, Buffer>> = {
  'model/model_index.json': Buffer.from('{}\n'),
  'model/unet/empty.txt': Buffer.alloc(0),
  'model/unet/exactly-one-block.bin': Buffer.alloc(512, 7),
  'model/unet/weights.safetensors': Buffer.from(Array.from({ length: 200_001 }, (_, i) => i % 251)),
  [`model/${'deep/'.repeat(25)}name.json`]: Buffer.from('in two fields'),
  [`model/${'x'.repeat(180)}.json`]: Buffer.from('in a record'),
  'model/größe.txt': Buffer.from('not ASCII'),
};

function entriesOf(contents: Readonly<Record<string, Buffer>>) {
  return Object.entries(contents).map(([name, content], i) => {
    const file = path.join(folder, `source-${i}`);
    writeFileSync(file, content);
    return { name, file, bytes: content.length };
  });
}

async function archive(entries: Parameters<typeof tarArchive>[0]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of tarArchive(entries, 1_700_000_000)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('tarArchive', () => {
  it('is unpacked by tar to the same files, and as long as it says before', async () => {
    const entries = entriesOf(CONTENTS);
    const bytes = await archive(entries);
    expect(bytes.length).toBe(tarBytes(entries));
    const [file, into] = [path.join(folder, 'a.tar'), path.join(folder, 'unpacked')];
    writeFileSync(file, bytes);
    mkdirSync(into);
    execFileSync('tar', ['-xf', file, '-C', into]);
    for (const [name, content] of Object.entries(CONTENTS)) {
      expect(readFileSync(path.join(into, name)).equals(content), name).toBe(true);
      expect(statSync(path.join(into, name)).mtimeMs, name).toBe(1_700_000_000_000);
    }
  });

  it('says sizes that eleven octal digits cannot hold', async () => {
    const [entry] = entriesOf({ 'huge.bin': Buffer.alloc(1) });
    const bytes = 8 ** 11;
    const pieces = tarArchive([{ ...entry!, bytes }], 0);
    const { value } = await pieces.next();
    await pieces.return(undefined);
    expect((value as Buffer).toString('latin1')).toContain('19 size=8589934592\n');
    expect(tarBytes([{ ...entry!, bytes }])).toBe(3 * 512 + bytes + 1024);
  });

  it('breaks off when a file has another size', async () => {
    const [entry] = entriesOf({ 'short.bin': Buffer.alloc(3) });
    await expect(archive([{ ...entry!, bytes: 4 }])).rejects.toThrow(
      'short.bin: expected 4 bytes, received 3',
    );
  });
});
