import { expect, test } from 'vitest';
import { allSideBySide, sideBySide } from './side_by_side.ts';

/** Promises that are settled by hand, and which works have begun. */
function byHand() {
  const begun: number[] = [];
  const settle: { resolve(value: string): void; reject(error: Error): void }[] = [];
  const work = (index: number) =>
    new Promise<string>((resolve, reject) => {
      begun.push(index);
      settle[index] = { resolve, reject };
    });
  return { begun, settle, work };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 1));

test.each([1, 2, 3, 7])('at most %i works at a time, begun in order', async (limit) => {
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  await sideBySide(6, limit, async (index) => {
    begun.push(index);
    most = Math.max(most, ++running);
    await settled();
    running--;
  });
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  expect(most).toBe(Math.min(limit, 6));
});

test('results are taken in order, whoever finishes first', async () => {
  const { begun, settle, work } = byHand();
  const taken: string[] = [];
  const done = sideBySide(3, 2, work, (result, index) => {
    taken.push(`${index} ${result}`);
  });
  settle[1]!.resolve('b');
  await settled();
  expect([begun, taken]).toEqual([[0, 1, 2], []]);
  settle[2]!.resolve('c');
  await settled();
  settle[0]!.resolve('a');
  await done;
  expect(taken).toEqual(['0 a', '1 b', '2 c']);
});

test('one result is taken at a time', async () => {
  let taking = 0;
  let most = 0;
  await sideBySide(
    4,
    4,
    () => Promise.resolve(),
    async () => {
      most = Math.max(most, ++taking);
      await settled();
      taking--;
    },
  );
  expect(most).toBe(1);
});

test('after an error nothing begins, and what had begun is waited for', async () => {
  const { begun, settle, work } = byHand();
  const taken: number[] = [];
  let over = false;
  const done = sideBySide(5, 2, work, (_, index) => {
    taken.push(index);
  }).finally(() => {
    over = true;
  });
  done.catch(() => {});
  settle[0]!.reject(new Error('broken'));
  await settled();
  expect([begun, over]).toEqual([[0, 1], false]);
  settle[1]!.resolve('late');
  await expect(done).rejects.toThrow('broken');
  expect(taken).toEqual([]);
});

test('an error while results are taken is the error of all', async () => {
  const taken: number[] = [];
  const done = sideBySide(
    5,
    1,
    (index) => Promise.resolve(index),
    (index) => {
      taken.push(index);
      if (index === 2) throw new Error('full');
    },
  );
  await expect(done).rejects.toThrow('full');
  expect(taken).toEqual([0, 1, 2]);
});

test('nothing to do is done at once', async () => {
  await sideBySide(0, 2, () => Promise.reject(new Error('never')));
});

test.each([1, 2])('different works with %i at a time give their own results', async (limit) => {
  const results = await allSideBySide(limit, [
    async () => {
      await settled();
      return 'slow';
    },
    () => Promise.resolve(2),
  ] as const);
  expect(results).toEqual(['slow', 2]);
});
