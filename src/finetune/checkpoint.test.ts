import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  listCheckpoints,
  loadLatestCheckpoint,
  newestMetadata,
  readCheckpoint,
  saveCheckpoint,
} from './checkpoint.ts';
import { truncateLog } from './run_log.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function checkpointAt(step: number): Checkpoint {
  const tensors = new Map([
    ['parameters/w', { shape: [2, 2], data: Float32Array.of(step, -0, 1e-40, 3.4e38) }],
    ['average/b', { shape: [3], data: Float32Array.of(0.1, 0.2, step / 3) }],
  ]);
  return { step, tensors, metadata: { digest: 'abc', skipped: '2' } };
}

describe('checkpoints', () => {
  it('come back bit for bit, with their metadata', () => {
    const file = saveCheckpoint(path.join(root, 'new', 'folder'), checkpointAt(12));
    expect(readCheckpoint(file)).toEqual(checkpointAt(12));
  });

  it('replace older ones only once they are whole, and keep the newest', () => {
    for (const step of [5, 20, 100, 120_000_000]) saveCheckpoint(root, checkpointAt(step));
    expect(listCheckpoints(root)).toEqual([100, 120_000_000]);
    expect(readdirSync(root).sort()).toEqual([
      'checkpoint-00000100.safetensors',
      'checkpoint-00000100.safetensors.sha256',
      'checkpoint-120000000.safetensors',
      'checkpoint-120000000.safetensors.sha256',
    ]);
    saveCheckpoint(root, checkpointAt(120_000_001), 3);
    expect(listCheckpoints(root)).toEqual([100, 120_000_000, 120_000_001]);
  });

  it('leave the old one and no other file when writing fails', () => {
    saveCheckpoint(root, checkpointAt(1));
    const before = readdirSync(root);
    const wrong = { shape: [3], data: new Float32Array(2) };
    const broken = { ...checkpointAt(2), tensors: new Map([['w', wrong]]) };
    expect(() => saveCheckpoint(root, broken)).toThrow(/tensor "w": .*takes 12 bytes, received 8/);
    expect(readdirSync(root)).toEqual(before);
    expect(loadLatestCheckpoint(root, expect.unreachable)?.step).toBe(1);
  });

  it('take the place of those past them, which a run that goes on from before them left', () => {
    for (const step of [4, 6, 8]) saveCheckpoint(root, checkpointAt(step), 3);
    saveCheckpoint(root, checkpointAt(5), 1);
    expect(listCheckpoints(root)).toEqual([5]);
    expect(loadLatestCheckpoint(root, expect.unreachable)?.step).toBe(5);
  });

  const damages: [string, (file: string) => void][] = [
    [
      'a flipped bit',
      (file) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 1]! ^= 64;
        writeFileSync(file, bytes);
      },
    ],
    ['a half written file', (file) => truncateSync(file, 40)],
    ['no recorded digest', (file) => rmSync(`${file}.sha256`)],
    ['the digest of another file', (file) => writeFileSync(`${file}.sha256`, `${'0'.repeat(64)}\n`)],
  ];

  it.each(damages)('show %s, and the one before it is used', (_, damage) => {
    saveCheckpoint(root, checkpointAt(1));
    const file = saveCheckpoint(root, checkpointAt(2));
    damage(file);
    expect(() => readCheckpoint(file)).toThrow(/checkpoint-00000002.*expected SHA-256/);
    const warnings: string[] = [];
    expect(loadLatestCheckpoint(root, (message) => warnings.push(message))).toEqual(checkpointAt(1));
    expect(newestMetadata(root)).toMatchObject({ digest: 'abc', skipped: '2' });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/checkpoint-00000002.*using the one before it/);
  });

  it('stop a run where they cannot be read for a reason that says nothing about them', () => {
    saveCheckpoint(root, checkpointAt(1));
    const file = saveCheckpoint(root, checkpointAt(2));
    rmSync(file);
    mkdirSync(file);
    expect(() => loadLatestCheckpoint(root, expect.unreachable)).toThrow(
      /checkpoint-00000002\.safetensors: cannot be read: EISDIR/,
    );
  });

  it('are none where no run has been', () => {
    expect(listCheckpoints(path.join(root, 'missing'))).toEqual([]);
    expect(loadLatestCheckpoint(path.join(root, 'missing'), expect.unreachable)).toBeNull();
    expect(newestMetadata(path.join(root, 'missing'))).toBeNull();
    writeFileSync(path.join(root, '.checkpoint-00000003.safetensors.123.tmp'), 'half');
    expect(loadLatestCheckpoint(root, expect.unreachable)).toBeNull();
  });
});

describe('the log of a run', () => {
  it('loses lines past the checkpoint and one that was cut off', () => {
    const file = path.join(root, 'log.jsonl');
    const lines = [1, 2, 3].map((step) => JSON.stringify({ step, loss: 1 / step }));
    writeFileSync(file, `${lines.join('\n')}\n{"step":4,"lo`);
    truncateLog(file, 'step', 2);
    expect(readFileSync(file, 'utf8')).toBe(`${lines[0]}\n${lines[1]}\n`);
    truncateLog(file, 'step', 0);
    expect(readFileSync(file, 'utf8')).toBe('');
    truncateLog(path.join(root, 'none.jsonl'), 'step', 0);
    expect(readdirSync(root)).toEqual(['log.jsonl']);
  });
});
