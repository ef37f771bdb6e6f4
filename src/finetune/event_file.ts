/** TensorBoard's event files: TFRecord framing around `Event` protocol buffers with scalars and images. */

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { writeFileAtomically, writeFully } from '../weights/atomic_file.ts';
import { makeFolder } from '../weights/make_folder.ts';
import { maskedCrc32c } from './crc32c.ts';

/** An image of an event. */
export interface EventImage {
  readonly png: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** One event: numbers and images of a step. */
export interface TrainingEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly scalars?: Readonly<Record<string, number>>;
  readonly images?: Readonly<Record<string, EventImage>>;
}

/** What the first record of a file says. */
const FILE_VERSION = 'brain.Event:2';
/** Channels of an image: RGB. */
const COLORSPACE = 3;

// Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
const EVENT = Object.freeze({ wallTime: 1, step: 2, fileVersion: 3, summary: 5 });
const SUMMARY = Object.freeze({ value: 1 });
const VALUE = Object.freeze({ tag: 1, simpleValue: 2, image: 4 });
const IMAGE = Object.freeze({ height: 1, width: 2, colorspace: 3, encoded: 4 });

/** Bytes of a record around its data: length (8), checksum of the length (4), checksum of the data (4). */
const FRAME = Object.freeze({ header: 12, trailer: 4 });

/** One TFRecord: length, masked CRC-32C of the length, data, masked CRC-32C of the data; all little-endian. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(FRAME.header + data.length + FRAME.trailer);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, FRAME.header);
  record.writeUInt32LE(maskedCrc32c(data), FRAME.header + data.length);
  return record;
}

/**
 * The data of the records of a file, up to the first that is cut off or damaged: what a crash left half written.
 */
export function decodeRecords(bytes: Uint8Array): Uint8Array[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Uint8Array[] = [];
  let position = 0;
  while (position + FRAME.header <= buffer.length) {
    const lengthBytes = buffer.subarray(position, position + 8);
    if (buffer.readUInt32LE(position + 8) !== maskedCrc32c(lengthBytes)) break;
    const length = Number(lengthBytes.readBigUInt64LE());
    const start = position + FRAME.header;
    if (start + length + FRAME.trailer > buffer.length) break;
    const data = buffer.subarray(start, start + length);
    if (buffer.readUInt32LE(start + length) !== maskedCrc32c(data)) break;
    records.push(data);
    position = start + length + FRAME.trailer;
  }
  return records;
}

/** The `Event` message of an event. */
export function encodeEvent({ wallTime, step, scalars = {}, images = {} }: TrainingEvent): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(EVENT.wallTime, WireType.Bit64).double(wallTime);
  writer.tag(EVENT.step, WireType.Varint).int64(step);
  writer.tag(EVENT.summary, WireType.LengthDelimited).fork();
  for (const [tag, value] of Object.entries(scalars)) {
    writer.tag(SUMMARY.value, WireType.LengthDelimited).fork();
    writer.tag(VALUE.tag, WireType.LengthDelimited).string(tag);
    writer.tag(VALUE.simpleValue, WireType.Bit32).float(value);
    writer.join();
  }
  for (const [tag, { png, height, width }] of Object.entries(images)) {
    writer.tag(SUMMARY.value, WireType.LengthDelimited).fork();
    writer.tag(VALUE.tag, WireType.LengthDelimited).string(tag);
    writer.tag(VALUE.image, WireType.LengthDelimited).fork();
    writer.tag(IMAGE.height, WireType.Varint).int32(height);
    writer.tag(IMAGE.width, WireType.Varint).int32(width);
    writer.tag(IMAGE.colorspace, WireType.Varint).int32(COLORSPACE);
    writer.tag(IMAGE.encoded, WireType.LengthDelimited).bytes(png);
    writer.join();
    writer.join();
  }
  writer.join();
  return writer.finish();
}

function encodeVersion(wallTime: number): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(EVENT.wallTime, WireType.Bit64).double(wallTime);
  writer.tag(EVENT.fileVersion, WireType.LengthDelimited).string(FILE_VERSION);
  return writer.finish();
}

/** Step of an `Event` message; 0 where it has none. */
function stepOf(event: Uint8Array): number {
  const reader = new BinaryReader(event);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === EVENT.step) return Number(reader.int64());
    reader.skip(type);
  }
  return 0;
}

/** An event file that is appended to, one step after the other. */
export interface EventFile {
  readonly path: string;
  append(event: TrainingEvent): void;
}

/**
 * Opens the event file of a folder, or begins it. Events past step `last` are dropped, and what a crash left half written,
 * so that the file goes on as the run does.
 */
export function openEventFile(folder: string, last: number): EventFile {
  makeFolder(folder);
  const file = path.join(folder, 'events.out.tfevents.0.evenhand');
  const now = () => Date.now() / 1000;
  const known = existsSync(file) ? decodeRecords(readFileSync(file)) : [];
  const kept = known.filter((event) => stepOf(event) <= last);
  const records = kept.length > 0 ? kept : [encodeVersion(now())];
  writeFileAtomically(file, (descriptor) => {
    for (const record of records) writeFully(descriptor, encodeRecord(record));
  });
  return {
    path: file,
    append: (event) => appendFileSync(file, encodeRecord(encodeEvent(event))),
  };
}
