import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { MadeExport } from './prepared.ts';
import { createPreparedExports } from './prepared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'prepared-'));
const root = path.join(folder, 'exports');
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.useRealTimers();
});

const kept = () => readdirSync(root).sort();
const never = new AbortController().signal;

/** Writes a file with a text of its own. */
function making(text: string) {
  return vi.fn(async (at: string): Promise<MadeExport> => {
    writeFileSync(path.join(at, 'a.safetensors'), text);
    return { format: 'kohya', name: 'a.safetensors', evaluation: null };
  });
}

describe('prepared exports', () => {
  it('begin with none of an earlier server', () => {
    mkdirSync(path.join(root, '7'), { recursive: true });
    createPreparedExports({ folder: root, most: 2, milliseconds: 1000 });
    expect(existsSync(root)).toBe(false);
  });

  it('are made once for all who ask, and streamed', async () => {
    const exports = createPreparedExports({ folder: root, most: 2, milliseconds: 1000 });
    const make = making('weights');
    const both = await Promise.all([exports.prepare('k', make, never), exports.prepare('k', make, never)]);
    expect(make).toHaveBeenCalledTimes(1);
    expect(both[0]).toMatchObject({ name: 'a.safetensors', bytes: 7, mediaType: 'application/octet-stream' });
    for (const each of both) expect((await buffer(each.open())).toString()).toBe('weights');
  });

  it('go some time after their last use, and the oldest when there are too many, but not while they are read', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const exports = createPreparedExports({ folder: root, most: 1, milliseconds: 1000 });
    const first = await exports.prepare('first', making('one'), never);
    const reading = first.open();
    await exports.prepare('second', making('two'), never);
    await exports.prepare('third', making('three'), never);
    expect(kept()).toEqual(['1', '3']);
    vi.advanceTimersByTime(999);
    expect(kept()).toEqual(['1', '3']);
    vi.advanceTimersByTime(1);
    expect(kept()).toEqual(['1']);
    expect((await buffer(reading)).toString()).toBe('one');
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
    vi.advanceTimersByTime(1000);
    expect(kept()).toEqual([]);
  });

  it('are cancelled when the last who waits has gone, and made anew for the next', async () => {
    const exports = createPreparedExports({ folder: root, most: 2, milliseconds: 1000 });
    const clients = [new AbortController(), new AbortController()];
    const seen: AbortSignal[] = [];
    const hanging = (_: string, signal: AbortSignal) => {
      seen.push(signal);
      return new Promise<MadeExport>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      });
    };
    const waiting = clients.map(({ signal }) => exports.prepare('k', hanging, signal));
    const ends = waiting.map((each) => each.catch((error: unknown) => (error as { code: string }).code));
    clients[0]!.abort();
    expect(await ends[0]).toBe('cancelled');
    expect(seen.map(({ aborted }) => aborted)).toEqual([false]);
    clients[1]!.abort();
    expect(await ends[1]).toBe('cancelled');
    expect(seen.map(({ aborted }) => aborted)).toEqual([true]);
    const again = await exports.prepare('k', making('again'), never);
    expect((await buffer(again.open())).toString()).toBe('again');
    expect(kept()).toEqual(['2']);
  });

  it('leave nothing behind when they fail, and are tried again', async () => {
    const exports = createPreparedExports({ folder: root, most: 2, milliseconds: 1000 });
    const failing = async (at: string): Promise<MadeExport> => {
      writeFileSync(path.join(at, 'half'), 'x');
      throw new Error('disk full');
    };
    await expect(exports.prepare('k', failing, never)).rejects.toThrow('disk full');
    expect(kept()).toEqual([]);
    expect((await exports.prepare('k', making('whole'), never)).bytes).toBe(5);
  });
});
