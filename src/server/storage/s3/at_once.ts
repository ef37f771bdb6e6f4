/** Work on many items of which only some are under way at a time. */

/**
 * Works on items in their order, at most `most` at a time; after a fault no more are begun.
 * @throws the first item's fault, when everything that was begun has ended
 */
export async function workAtOnce<Item>(
  items: readonly Item[],
  most: number,
  work: (item: Item, position: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let isBroken = false;
  const worker = async () => {
    while (next < items.length && !isBroken) {
      const position = next++;
      await work(items[position]!, position).catch((error: unknown) => {
        isBroken = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, worker));
  const broken = ends.find((end) => end.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}
