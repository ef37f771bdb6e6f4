/** Work that goes on side by side, with results that are taken in order: sums don't depend on who finishes first. */

/**
 * Does `work` for 0 to `count - 1`, at most `limit` at a time, begun in order.
 * @param take receives each result once all before it were taken, one after the other
 * @throws the first error, after everything that had begun has ended; nothing further begins after an error
 */
export async function sideBySide<Result>(
  count: number,
  limit: number,
  work: (index: number) => Promise<Result>,
  take: (result: Result, index: number) => void | Promise<void> = () => {},
): Promise<void> {
  const finished = new Map<number, Result>();
  const errors: unknown[] = [];
  let next = 0;
  let taken = 0;
  let turn = Promise.resolve();
  const takeFinished = async () => {
    while (errors.length === 0 && finished.has(taken)) {
      const result = finished.get(taken)!;
      finished.delete(taken);
      await take(result, taken++);
    }
  };
  const proceed = async () => {
    while (next < count && errors.length === 0) {
      const index = next++;
      try {
        finished.set(index, await work(index));
        turn = turn.then(takeFinished);
        await turn;
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, proceed));
  if (errors.length > 0) throw errors[0];
}

/**
 * Results of different works, at most `limit` of them at a time.
 * @throws as {@link sideBySide}
 */
export async function allSideBySide<Results extends readonly unknown[]>(
  limit: number,
  works: { readonly [Each in keyof Results]: () => Promise<Results[Each]> },
): Promise<Results> {
  const results: unknown[] = [];
  await sideBySide(
    works.length,
    limit,
    (i) => works[i]!(),
    (result) => {
      results.push(result);
    },
  );
  return results as unknown as Results;
}
