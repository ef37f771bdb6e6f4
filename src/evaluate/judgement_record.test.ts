import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { JudgedPart } from './judgement.ts';
import { joinParts, keptImages } from './judgement.ts';
import { openJudgementRecord, settingsDigest } from './judgement_record.ts';
import { NO_FACE } from './metrics.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'record-'));
afterAll(() => rmSync(folder, { recursive: true }));

const picture = (start: number) => ({
  width: 3,
  height: 2,
  pixels: Uint8Array.from({ length: 18 }, (_, i) => (start + 13 * i) % 256),
});

/** Two images of a prompt from a seed on; the second one has no face. */
const part = (prompt: string, seed: number): JudgedPart => ({
  prompt,
  seeds: [seed, seed + 1],
  faces: Int32Array.of(2, 0),
  classes: { gender: Int32Array.of(1, NO_FACE) },
  confidences: { gender: Float32Array.of(0.7, Number.NaN) },
  features: { clip: Float32Array.of(0.1, -2.5e-8, 3, Math.fround(1 / 3)) },
  pictures: [picture(seed)],
});

describe('the record of judged images', () => {
  it('gives back what was added, after it is opened again too', async () => {
    const record = openJudgementRecord(folder, 'aaaa');
    expect(record.images).toBe(0);
    await record.add(part('a "nurse"\n', 5));
    await record.add(part('a pilot', 7));
    for (const opened of [record, openJudgementRecord(folder, 'aaaa')]) {
      expect(opened.images).toBe(4);
      expect(await opened.find('a "nurse"\n', [5, 6], 1)).toEqual(part('a "nurse"\n', 5));
      expect(await opened.find('a pilot', [7, 8], 0)).toEqual({ ...part('a pilot', 7), pictures: [] });
      expect(await opened.find('a pilot', [5, 6], 0)).toBeNull();
      expect(await opened.find('a pilot', [7], 0)).toBeNull();
      // The images themselves were not kept.
      expect(await opened.find('a pilot', [7, 8], 2)).toBeNull();
    }
  });

  it('drops a line that a crash left half written, and goes on', async () => {
    const record = openJudgementRecord(folder, 'bbbb');
    await record.add(part('a nurse', 1));
    await record.add(part('a pilot', 3));
    truncateSync(record.file, readFileSync(record.file).length - 20);
    const again = openJudgementRecord(folder, 'bbbb');
    expect(again.images).toBe(2);
    expect(await again.find('a pilot', [3, 4], 0)).toBeNull();
    await again.add(part('a pilot', 3));
    expect(openJudgementRecord(folder, 'bbbb').images).toBe(4);
  });

  it('keeps settings apart, and refuses files that are no records of them', async () => {
    expect(openJudgementRecord(folder, 'cccc').images).toBe(0);
    const { file } = openJudgementRecord(folder, 'dddd');
    writeFileSync(file, readFileSync(openJudgementRecord(folder, 'aaaa').file));
    expect(() => openJudgementRecord(folder, 'dddd')).toThrow(/dddd.jsonl:1: expected a record of dddd/);
    const damaged = openJudgementRecord(folder, 'eeee').file;
    appendFileSync(damaged, 'nonsense\n');
    expect(() => openJudgementRecord(folder, 'eeee')).toThrow(/eeee.jsonl:2: expected JSON/);
  });

  it('has one digest for equal settings alone', () => {
    const settings = { steps: 30, files: [['model', 'abc']] };
    expect(settingsDigest(settings)).toMatch(/^[0-9a-f]{16}$/);
    expect(settingsDigest(structuredClone(settings))).toBe(settingsDigest(settings));
    expect(settingsDigest({ ...settings, steps: 31 })).not.toBe(settingsDigest(settings));
  });
});

describe('parts', () => {
  it('join in order', () => {
    const joined = joinParts([part('a nurse', 1), part('a nurse', 3)]);
    expect(joined).toEqual({
      prompt: 'a nurse',
      seeds: [1, 2, 3, 4],
      faces: Int32Array.of(2, 0, 2, 0),
      classes: { gender: Int32Array.of(1, NO_FACE, 1, NO_FACE) },
      confidences: { gender: Float32Array.of(0.7, Number.NaN, 0.7, Number.NaN) },
      features: {
        clip: Float32Array.of(0.1, -2.5e-8, 3, Math.fround(1 / 3), 0.1, -2.5e-8, 3, Math.fround(1 / 3)),
      },
    });
    expect(() => joinParts([])).toThrow(/at least one part/);
  });

  it('say of kept images what was found', () => {
    const gender = { name: 'gender', classes: ['female', 'male'] };
    expect(keptImages(part('a nurse', 1), [gender])).toEqual([
      {
        prompt: 'a nurse',
        seed: 1,
        image: picture(1),
        attributes: { gender: { name: 'male', probability: Math.fround(0.7) } },
      },
    ]);
  });
});
