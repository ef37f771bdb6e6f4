import type { Kysely } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FileStore } from '../storage/file_store.ts';
import { createFolderStore } from '../storage/file_store.ts';
import { databaseJobStore, insertJob } from '../storage/jobs.ts';
import { openDatabase } from '../storage/open_database.ts';
import type { Database } from '../storage/schema.ts';
import { jobKeeper, rankOfFile } from './keeping.ts';

let db: Kysely<Database>;
let id: string;
beforeAll(async () => {
  db = await openDatabase('memory:');
});
afterAll(() => db.destroy());
beforeEach(async () => {
  const fields = { kind: 'finetune', lane: 'train', request: {}, images: 0, batchKey: null };
  ({ id } = await insertJob(db, { ...fields, apiKey: null, idempotencyKey: null }));
  await databaseJobStore(db, { owner: 'one', leaseSeconds: 30, onChange() {} }).claim('train', 1);
});

/** A store that counts and can be held up. */
function countingStore() {
  const kept: string[] = [];
  const waiting: (() => void)[] = [];
  const store = {
    ...createFolderStore('/nowhere'),
    kind: 's3' as const,
    async keepFolder(folder: string) {
      kept.push(folder);
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
  } satisfies FileStore;
  return { store, kept, release: () => waiting.shift()!() };
}

function keeperOf(files: FileStore, owner: string, now = () => 0) {
  const faults: unknown[] = [];
  const data = { path: '/nowhere', owner } as never;
  return { faults, keeper: jobKeeper({ db, data, files }, id, (error) => faults.push(error), now) };
}

describe('the keeper of a job', () => {
  it('keeps one after the other, and once more for all that came meanwhile', async () => {
    const { store, kept, release } = countingStore();
    const { keeper } = keeperOf(store, 'one');
    for (let i = 0; i < 5; i++) keeper.due();
    await expect.poll(() => kept).toEqual([`jobs/${id}`]);
    keeper.due();
    keeper.due();
    release();
    await expect.poll(() => kept).toHaveLength(2);
    release();
    const last = keeper.keep();
    await expect.poll(() => kept).toHaveLength(3);
    release();
    await last;
    expect(kept).toHaveLength(3);
  });

  it('pauses where it is told to', async () => {
    const { store, kept, release } = countingStore();
    let time = 0;
    const { keeper } = keeperOf(store, 'one', () => time);
    keeper.due(1000);
    await expect.poll(() => kept).toHaveLength(1);
    release();
    time = 999;
    keeper.due(1000);
    time = 1000;
    keeper.due(1000);
    await expect.poll(() => kept).toHaveLength(2);
    release();
  });

  it('leaves a job alone that another server has taken over', async () => {
    const { store, kept } = countingStore();
    await keeperOf(store, 'another').keeper.keep();
    expect(kept).toEqual([]);
  });

  it('goes on after a fault, and lets only the end fail', async () => {
    let calls = 0;
    const broken = {
      ...createFolderStore('/nowhere'),
      kind: 's3' as const,
      async keepFolder() {
        calls++;
        throw new Error('no answer');
      },
    };
    const { keeper, faults } = keeperOf(broken, 'one');
    keeper.due();
    await expect.poll(() => faults).toHaveLength(1);
    keeper.due();
    await expect.poll(() => faults).toHaveLength(2);
    await expect(keeper.keep()).rejects.toThrow('no answer');
    expect(calls).toBe(3);
  });
});

describe('rankOfFile', () => {
  it('puts what a run goes on from last, digests after it', () => {
    const names = [
      'checkpoints/checkpoint-00000002.safetensors.sha256',
      'checkpoints/checkpoint-00000002.safetensors',
      'best/checkpoint-00000002.safetensors.sha256',
      'best/checkpoint-00000002.safetensors',
      'log.jsonl',
    ];
    const sorted = [...names].sort((one, other) => rankOfFile(one) - rankOfFile(other));
    expect(sorted).toEqual([...names].reverse());
    expect(rankOfFile('tensorboard/events')).toBe(rankOfFile('judged/a.jsonl'));
  });
});
