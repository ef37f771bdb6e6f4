import { expect, test } from 'vitest';
import { SessionShelf } from './session_shelf.ts';

/** A machine of `total` bytes on which sessions take 1.25 times their working bytes once they have been used. */
function machine(total: number) {
  let taken = 0;
  const log: string[] = [];
  const shelf = new SessionShelf<{ release(): Promise<void>; run(): void }>(() => total - taken);
  const entry = (name: string, workingBytes: number, { stays = false, mappedBytes = 0 } = {}) => ({
    workingBytes,
    mappedBytes,
    stays,
    create() {
      log.push(`+${name}`);
      let own = 0;
      return Promise.resolve({
        run() {
          taken += 1.25 * workingBytes - own;
          own = 1.25 * workingBytes;
        },
        release() {
          log.push(`-${name}`);
          taken -= own;
          return Promise.resolve();
        },
      });
    },
  });
  const run = async (key: string) => (await shelf.use(key)).run();
  const takeFromOutside = (bytes: number) => {
    taken += bytes;
  };
  return { shelf, entry, run, log, takeFromOutside };
}

test('sessions that fit stay, and are made once', async () => {
  const { shelf, entry, run, log } = machine(1000);
  await shelf.add('a', entry('a', 300));
  await shelf.add('b', entry('b', 300));
  for (const key of ['a', 'b', 'a', 'b']) await run(key);
  expect(log).toEqual(['+a', '+b']);
});

test('the one used longest ago gives way first, and is made anew when it is needed', async () => {
  const { shelf, entry, run, log } = machine(1000);
  for (const key of ['a', 'b', 'c']) await shelf.add(key, entry(key, 300));
  await run('a');
  await run('b');
  await run('a');
  await run('c');
  expect(log.slice(3)).toEqual(['-b']);
  expect(shelf.peek('b')).toBeNull();
  await run('b');
  expect(log.slice(3)).toEqual(['-b', '-a', '+b']);
});

test('one that needs more than there is gets all that others can give, and runs', async () => {
  const { shelf, entry, run, log } = machine(1000);
  await shelf.add('small', entry('small', 0));
  await shelf.add('profiled', entry('profiled', 100, { stays: true }));
  await shelf.add('a', entry('a', 100));
  await shelf.add('huge', entry('huge', 5000));
  for (const key of ['small', 'profiled', 'a', 'huge']) await run(key);
  expect(log.slice(4)).toEqual(['-a']);
});

test('the pages of the weights need room as well', async () => {
  const { shelf, entry, run, log } = machine(1000);
  await shelf.add('a', entry('a', 400));
  await shelf.add('b', entry('b', 300, { mappedBytes: 200 }));
  for (const key of ['a', 'b']) await run(key);
  expect(log.slice(2)).toEqual(['-a']);
});

test('one that has run makes room only where there is too little for all already', async () => {
  const { shelf, entry, run, log, takeFromOutside } = machine(1000);
  for (const key of ['a', 'b']) await shelf.add(key, entry(key, 300));
  for (const key of ['a', 'b', 'a']) await run(key);
  takeFromOutside(300);
  await run('a');
  expect(log.slice(2)).toEqual(['-b']);
});

test('what was removed is released, and is not there any more', async () => {
  const { shelf, entry, log } = machine(1000);
  await shelf.add('a', entry('a', 1));
  await shelf.remove('a');
  expect(log).toEqual(['+a', '-a']);
  await expect(shelf.use('a')).rejects.toThrow('session a was released');
});
