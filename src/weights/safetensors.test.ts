import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openSafetensors, readTensor, readTensorBytes, readTensorFloat32 } from './safetensors.ts';
import { hashTensorData, type TensorToWrite, writeSafetensors } from './safetensors_writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'evenhand-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file written by the safetensors library for Python (0.8.0), from eight tensors of seven types. */
const LIBRARY_FILE = Buffer.from(
  [
    '+AEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJzdGVwcyI6eyJkdHlwZSI6Ikk2NCIsInNoYXBlIjpb',
    'MV0sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCLDqSI6eyJkdHlwZSI6IkY2NCIsInNoYXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpb',
    'OCwxNl19LCJBbHBoYSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzE2LDIwXX0sImVtcHR5',
    'Ijp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlswLDNdLCJkYXRhX29mZnNldHMiOlsyMCwyMF19LCJ3ZWlnaHQiOnsiZHR5cGUi',
    'OiJGMzIiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlsyMCwyOF19LCJoYWxmIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUi',
    'OlsxLDNdLCJkYXRhX29mZnNldHMiOlsyOCwzNF19LCJieXRlcyI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlsxXSwiZGF0YV9v',
    'ZmZzZXRzIjpbMzQsMzVdfSwibWFzayI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOlszNSwz',
    'OF19fSAgICAHAAAAAAAAAJqZmZmZmbk/AABAQAAAwD8AAADAADxmLv97/wEAAQ==',
  ].join(''),
  'base64',
);

const SAME_TENSORS = new Map<string, TensorToWrite>([
  ['bytes', { dtype: 'U8', shape: [1], data: Uint8Array.of(255) }],
  ['weight', { dtype: 'F32', shape: [2], data: () => Float32Array.of(1.5, -2) }],
  ['half', { dtype: 'F16', shape: [1, 3], data: Float32Array.of(1, 0.1, 65504) }],
  ['mask', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['é', { dtype: 'F64', shape: [], data: Float64Array.of(0.1) }],
  ['empty', { dtype: 'F32', shape: [0, 3], data: new Float32Array() }],
  ['Alpha', { dtype: 'F32', shape: [1], data: Float32Array.of(3) }],
  ['steps', { dtype: 'I64', shape: [1], data: BigInt64Array.of(7n) }],
]);

function fileOf(json: string | object, data: number, declared?: bigint): string {
  const text =
    json instanceof Buffer ? json : Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(declared ?? BigInt(text.length));
  const path = join(folder, 'case.safetensors');
  writeFileSync(path, Buffer.concat([length, text, Buffer.alloc(data)]));
  return path;
}

describe('files of the safetensors library', () => {
  it('are written byte for byte', () => {
    const path = join(folder, 'written.safetensors');
    writeSafetensors(path, SAME_TENSORS, { format: 'pt' });
    expect(readFileSync(path).equals(LIBRARY_FILE)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('are read, each type into its array', () => {
    const path = join(folder, 'library.safetensors');
    writeFileSync(path, LIBRARY_FILE);
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(file.tensors.get('steps')).toEqual({ dtype: 'I64', shape: [1], offset: 512, length: 8 });
    expect(readTensor(file, 'steps')).toEqual(BigInt64Array.of(7n));
    expect(readTensorFloat32(file, 'steps')).toEqual(Float32Array.of(7));
    expect(readTensor(file, 'é')).toEqual(Float64Array.of(0.1));
    expect(readTensorFloat32(file, 'é')).toEqual(Float32Array.of(0.1));
    expect(readTensor(file, 'weight')).toEqual(Float32Array.of(1.5, -2));
    expect(readTensor(file, 'empty')).toEqual(new Float32Array());
    expect(readTensor(file, 'half')).toEqual(Float32Array.of(1, 0.0999755859375, 65504));
    expect(readTensor(file, 'mask')).toEqual(Uint8Array.of(1, 0, 1));
    expect([...readTensorBytes(file, 'half')]).toEqual([0x00, 0x3c, 0x66, 0x2e, 0xff, 0x7b]);
    expect(() => readTensor(file, 'weights')).toThrow('has no tensor "weights"');
  });

  it('are read one tensor at a time from a whole model', () => {
    const path = fileURLToPath(
      new URL('../../test/fixtures/unet/sd1-l1/diffusion_pytorch_model.safetensors', import.meta.url),
    );
    const file = openSafetensors(path);
    expect(file.tensors.get('conv_in.weight')?.shape).toEqual([16, 4, 3, 3]);
    const weight = readTensorFloat32(file, 'conv_in.weight');
    expect(weight.length).toBe(16 * 4 * 9);
    expect(weight.every(Number.isFinite) && weight.some((value) => value !== 0)).toBe(true);
  });
});

describe('round trips', () => {
  it.each([
    ['F32', Float32Array.of(1, -0, 1e-40)],
    ['F16', Float32Array.of(1, -2, 0.5)],
    ['BF16', Float32Array.of(1, -2, 0.5)],
    ['F64', Float64Array.of(Math.PI, -1, 1e300)],
    ['I64', BigInt64Array.of(-1n, 2n ** 62n, 0n)],
    ['U64', BigUint64Array.of(2n ** 64n - 1n, 1n, 0n)],
    ['I32', Int32Array.of(-(2 ** 31), 1, 2)],
    ['U32', Uint32Array.of(2 ** 32 - 1, 1, 2)],
    ['I16', Int16Array.of(-(2 ** 15), 1, 2)],
    ['U16', Uint16Array.of(2 ** 16 - 1, 1, 2)],
    ['I8', Int8Array.of(-128, 1, 2)],
    ['U8', Uint8Array.of(255, 1, 2)],
    ['BOOL', Uint8Array.of(1, 0, 1)],
  ] as const)('%s', (dtype, values) => {
    const path = join(folder, 'round.safetensors');
    writeSafetensors(path, new Map([['x', { dtype, shape: [3], data: values }]]));
    expect(readTensor(openSafetensors(path), 'x')).toEqual(values);
  });

  it.each([
    ['F8_E4M3', Uint8Array.of(0x38, 0xc0, 0x7e), [1, -2, 448]],
    ['F8_E5M2', Uint8Array.of(0x3c, 0xc0, 0x7b), [1, -2, 57344]],
  ] as const)('%s from raw bytes', (dtype, data, values) => {
    const path = join(folder, 'round8.safetensors');
    writeSafetensors(path, new Map([['x', { dtype, shape: [3], data }]]));
    expect(readTensor(openSafetensors(path), 'x')).toEqual(Float32Array.from(values));
  });

  it('keeps names that JavaScript objects treat specially', () => {
    const path = join(folder, 'names.safetensors');
    const tensor = (value: number) => ({ dtype: 'F32' as const, shape: [], data: Float32Array.of(value) });
    writeSafetensors(
      path,
      new Map([
        ['10', tensor(1)],
        ['9', tensor(2)],
        ['__proto__', tensor(3)],
        ['a"\n', tensor(4)],
      ]),
    );
    const file = openSafetensors(path);
    expect([...file.tensors.keys()]).toEqual(['10', '9', '__proto__', 'a"\n']);
    expect([...file.tensors.keys()].map((name) => readTensorFloat32(file, name)[0])).toEqual([1, 2, 3, 4]);
  });

  it('hashes the data part', () => {
    const path = join(folder, 'hashed.safetensors');
    writeSafetensors(path, new Map([['x', { dtype: 'U8', shape: [3], data: Buffer.from('abc') }]]));
    expect(hashTensorData(new Map([['x', { dtype: 'U8', shape: [3], data: Buffer.from('abc') }]]))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});

describe('hostile and damaged files', () => {
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  it.each([
    ['overlap', { a: f32(0, 8), b: f32(4, 12) }, 12, 'tensor "b" overlaps the tensor before it'],
    ['hole', { a: f32(0, 4), b: f32(8, 12) }, 12, 'tensor "b" leaves a hole before it'],
    ['hole at the start', { a: f32(4, 8) }, 8, 'leaves a hole'],
    ['bytes left over', { a: f32(0, 4) }, 5, '1 bytes after the last tensor belong to no tensor'],
    ['no tensors but data', {}, 4, '4 bytes after the last tensor'],
    ['end beyond the file', { a: f32(0, 8) }, 4, 'end at byte 8, but the file holds only 4'],
    ['begin after end', { a: f32(4, 0, [1]) }, 4, 'begin <= end'],
    ['negative offset', { a: f32(-4, 0, [1]) }, 0, 'begin <= end'],
    ['fractional offset', { a: f32(0, 4.5, [1]) }, 8, 'begin <= end'],
    [
      'length of another dtype',
      { a: { dtype: 'F16', shape: [2], data_offsets: [0, 8] } },
      8,
      'takes 4 bytes, but data_offsets span 8',
    ],
    ['negative dimension', { a: f32(0, 4, [-1]) }, 4, 'non-negative integers'],
    ['negative pair of dimensions', { a: f32(0, 4, [-1, -1]) }, 4, 'non-negative integers'],
    ['fractional dimension', { a: f32(0, 4, [0.5, 2]) }, 4, 'non-negative integers'],
    ['huge dimensions', { a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4, 'too many elements'],
    ['dimension beyond integers', { a: f32(0, 4, [1e300]) }, 4, 'non-negative integers'],
    ['too many dimensions', { a: f32(0, 4, Array(65).fill(1)) }, 4, 'at most 64'],
    ['shape of another kind', { a: f32(0, 4, '1') }, 4, 'shape: expected'],
    [
      'unknown dtype',
      { a: { dtype: 'F128', shape: [1], data_offsets: [0, 16] } },
      16,
      'unknown dtype "F128"',
    ],
    [
      'dtype from a prototype',
      { a: { dtype: 'toString', shape: [1], data_offsets: [0, 16] } },
      16,
      'unknown dtype',
    ],
    ['entry of another kind', { a: 3 }, 0, 'expected an object with dtype'],
    ['metadata that is no string', { __metadata__: { a: 1 } }, 0, '__metadata__.a: expected a string'],
    ['metadata that is no object', { __metadata__: ['a'] }, 0, '__metadata__: expected an object'],
    [
      'duplicate tensor',
      `{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(0, 4))}}`,
      4,
      '"a" occurs twice',
    ],
    [
      'duplicate field',
      '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}',
      4,
      '"shape" occurs twice',
    ],
    ['no object', '[]', 0, 'begin with "{"'],
    ['leading space', ' {}', 0, 'begin with "{"'],
    ['cut JSON', '{"a":', 0, 'not a usable safetensors file'],
    ['invalid UTF-8', Buffer.from('7b22ff223a317d', 'hex'), 0, 'not valid for encoding utf-8'],
  ])('%s', (_, json, data, message) => {
    expect(() => openSafetensors(fileOf(json, data))).toThrow(message);
  });

  it.each([
    ['a header longer than the file', 100n, 'only 2 follow'],
    ['a header longer than the cap', 2n ** 63n, 'more than the allowed'],
  ])('%s', (_, declared, message) => {
    expect(() => openSafetensors(fileOf('{}', 0, declared))).toThrow(message);
  });

  it('a file of a few bytes, a missing file, and one cut after opening', () => {
    const path = join(folder, 'cut.safetensors');
    writeFileSync(path, 'short');
    expect(() => openSafetensors(path)).toThrow('expected at least 8 bytes, received 5');
    expect(() => openSafetensors(join(folder, 'absent.safetensors'))).toThrow('absent.safetensors');
    writeFileSync(path, LIBRARY_FILE);
    const file = openSafetensors(path);
    truncateSync(path, LIBRARY_FILE.length - 2);
    expect(() => readTensorBytes(file, 'mask')).toThrow('the file ends after 1 of them');
  });
});

describe('writing refuses', () => {
  it.each([
    [
      'a wrong length',
      { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2) },
      'takes 12 bytes, received 8',
    ],
    [
      'another array type',
      { dtype: 'F32', shape: [2], data: Int32Array.of(1, 2) },
      'F32 takes a Float32Array',
    ],
    [
      'a negative dimension',
      { dtype: 'F32', shape: [-1], data: new Float32Array() },
      'non-negative integers',
    ],
  ] as const)('%s, and leaves the old file', (_, tensor, message) => {
    const path = join(folder, 'kept.safetensors');
    writeFileSync(path, 'old');
    expect(() => writeSafetensors(path, new Map([['x', tensor as TensorToWrite]]))).toThrow(message);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
