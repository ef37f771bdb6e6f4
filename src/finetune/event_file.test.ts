import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from './crc32c.ts';
import { decodeRecords, encodeEvent, encodeRecord, openEventFile } from './event_file.ts';
import { readEvent, readEvents } from './testing/read_events.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'events-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('CRC-32C', () => {
  // The examples of RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['32 descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
  ])('%s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is masked by a rotation and a constant', () => {
    const crc = 0xe3069283;
    const rotated = ((crc >>> 15) | ((crc << 17) >>> 0)) >>> 0;
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe((rotated + 0xa282ead8) % 2 ** 32);
  });
});

describe('records', () => {
  it('have length, data and two checksums', () => {
    const record = Buffer.from(encodeRecord(Buffer.from('abc')));
    expect(record.length).toBe(8 + 4 + 3 + 4);
    expect(record.readBigUInt64LE(0)).toBe(3n);
    expect(record.readUInt32LE(8)).toBe(maskedCrc32c(record.subarray(0, 8)));
    expect(record.subarray(12, 15).toString()).toBe('abc');
    expect(record.readUInt32LE(15)).toBe(maskedCrc32c(Buffer.from('abc')));
  });

  it('come back, up to the first that is damaged or cut off', () => {
    const all = ['one', '', 'three'].map((text) => encodeRecord(Buffer.from(text)));
    const bytes = Buffer.concat(all);
    const texts = (data: Uint8Array) => decodeRecords(data).map((each) => Buffer.from(each).toString());
    expect(texts(bytes)).toEqual(['one', '', 'three']);
    expect(texts(bytes.subarray(0, -1))).toEqual(['one', '']);
    const damaged = Buffer.from(bytes);
    damaged[13]! ^= 1;
    expect(texts(damaged)).toEqual([]);
  });
});

describe('events', () => {
  it('carry scalars and images by tag', () => {
    const png = Uint8Array.of(1, 2, 3);
    const event = {
      wallTime: 1234.5,
      step: 70_000,
      scalars: { loss: 0.25, nothing: 0 },
      images: { grid: { png, height: 300, width: 5 } },
    };
    const read = readEvent(encodeEvent(event));
    expect(read).toMatchObject({ wallTime: 1234.5, step: 70_000, scalars: { loss: 0.25, nothing: 0 } });
    expect(read.images.grid).toMatchObject({ height: 300, width: 5 });
    expect([...read.images.grid!.png]).toEqual([1, 2, 3]);
  });

  it('go on in their file after a crash, without what lies past the checkpoint', () => {
    const file = openEventFile(folder, 0);
    for (const step of [1, 2, 3]) file.append({ wallTime: step, step, scalars: { loss: step / 2 } });
    appendFileSync(file.path, encodeRecord(Buffer.from('half')).subarray(0, 9));
    const again = openEventFile(folder, 2);
    expect(again.path).toBe(file.path);
    again.append({ wallTime: 9, step: 3, scalars: { loss: 7 } });
    const events = readEvents(file.path);
    expect(events[0]!.fileVersion).toBe('brain.Event:2');
    expect(events.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    expect(events.map(({ scalars }) => scalars.loss)).toEqual([undefined, 0.5, 1, 7]);
    expect(readFileSync(file.path).length).toBeGreaterThan(0);
  });
});
