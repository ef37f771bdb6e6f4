/** Reads TensorBoard's event files for tests, by the wire format of protocol buffers alone. */

import { readFileSync } from 'node:fs';
import { decodeRecords } from '../event_file.ts';

/** What tests look at in an event. */
export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion: string | null;
  readonly tags: readonly string[];
  readonly scalars: Readonly<Record<string, number>>;
  readonly images: Readonly<
    Record<string, { readonly height: number; readonly width: number; readonly png: Uint8Array }>
  >;
}

interface Field {
  readonly number: number;
  /** Value of a varint or of a fixed-width number's bits; bytes of a length-delimited field. */
  readonly value: bigint;
  readonly bytes: Buffer;
}

/** Splits a message into its fields (protobuf.dev, "Encoding"). */
function fieldsOf(message: Uint8Array): Field[] {
  const buffer = Buffer.from(message);
  const fields: Field[] = [];
  let position = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[position++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (position < buffer.length) {
    const tag = Number(varint());
    const type = tag & 7;
    const value = type === 0 || type === 2 ? varint() : 0n;
    const length = type === 2 ? Number(value) : type === 1 ? 8 : type === 5 ? 4 : 0;
    fields.push({ number: tag >> 3, value, bytes: buffer.subarray(position, position + length) });
    position += length;
  }
  return fields;
}

/** All events of a file, the one with the file's version first. */
export function readEvents(file: string): ReadEvent[] {
  return decodeRecords(readFileSync(file)).map(readEvent);
}

/** One `Event` message. */
export function readEvent(message: Uint8Array): ReadEvent {
  const fields = fieldsOf(message);
  const one = (list: readonly Field[], number: number) => list.find((field) => field.number === number);
  const values = fieldsOf(one(fields, 5)?.bytes ?? new Uint8Array()).map(({ bytes }) => {
    const parts = fieldsOf(bytes);
    return {
      tag: one(parts, 1)!.bytes.toString(),
      scalar: one(parts, 2)?.bytes,
      image: one(parts, 4)?.bytes,
    };
  });
  return {
    wallTime: one(fields, 1)!.bytes.readDoubleLE(),
    step: Number(one(fields, 2)?.value ?? 0),
    fileVersion: one(fields, 3)?.bytes.toString() ?? null,
    tags: values.map(({ tag }) => tag),
    scalars: Object.fromEntries(
      values.flatMap(({ tag, scalar }) => (scalar ? [[tag, scalar.readFloatLE()]] : [])),
    ),
    images: Object.fromEntries(
      values.flatMap(({ tag, image }) => {
        if (!image) return [];
        const parts = fieldsOf(image);
        const [height, width] = [1, 2].map((number) => Number(one(parts, number)!.value));
        return [[tag, { height: height!, width: width!, png: one(parts, 4)!.bytes }]];
      }),
    ),
  };
}
