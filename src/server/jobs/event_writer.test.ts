import { describe, expect, it } from 'vitest';
import { eventWriter } from './event_writer.ts';

/** A writer on a clock that the test sets, and what it has written. */
function writerAt() {
  const clock = { now: 0 };
  const written: string[] = [];
  const faults: unknown[] = [];
  const store = {
    async progress(job: string, progress: unknown) {
      written.push(`${job} progress ${(progress as { step: number }).step}`);
    },
    async event(job: string, type: string, data: unknown) {
      if (type === 'broken') throw new Error('no database');
      written.push(`${job} ${type} ${JSON.stringify(data)}`);
    },
  };
  const writer = eventWriter(
    store,
    (error) => faults.push(error),
    () => clock.now,
  );
  return { clock, written, faults, writer };
}

const soFar = (label: string, images: number) => ({
  ...{ label, images, group: null, all: 32, faces: images, level: 0.95 },
  attributes: [],
});

describe('a writer of events', () => {
  it('thins out progress and measurements of each model, and writes the last of each whatever the time', async () => {
    const { clock, written, writer } = writerAt();
    for (const step of [1, 2, 3]) writer.progress('a', { task: 'measure', step, steps: 4 });
    writer.measured('a', soFar('original', 8));
    writer.measured('a', soFar('original', 16));
    writer.measured('a', soFar('fine-tuned', 8));
    clock.now = 600;
    writer.measured('a', soFar('original', 24));
    writer.measured('a', soFar('original', 32));
    writer.progress('a', { task: 'measure', step: 4, steps: 4 });
    await writer.flush();
    const shown = written.map((line) => {
      const [, type, rest] = /^a (\w+) (.*)$/.exec(line)!;
      if (type === 'progress') return rest;
      const { label, images } = JSON.parse(rest!) as { label: string; images: number };
      return `${label} ${images}`;
    });
    expect(shown).toEqual(['1', 'original 8', 'fine-tuned 8', 'original 24', 'original 32', '4']);
  });

  it('goes on after an event that could not be written', async () => {
    const { written, faults, writer } = writerAt();
    writer.event('a', 'broken', {});
    writer.event('a', 'note', { text: 'on' });
    await writer.flush();
    expect(faults).toHaveLength(1);
    expect(written).toEqual(['a note {"text":"on"}']);
  });
});
