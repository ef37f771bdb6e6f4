import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { explainConfig, formatConfig, loadConfig, peekConfig } from './config.ts';
import { UsageError } from './errors.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'config-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function fileOf(text: string): string {
  const file = path.join(folder, `config-${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

const schema = z.strictObject({
  steps: z.int().min(1),
  rate: z.number().positive().max(1).default(0.1),
  data: z.strictObject({ seed: z.int(), scenes: z.int().min(1).optional() }).prefault({ seed: 0 }),
  list: z.array(z.strictObject({ name: z.string() })).default([]),
  shares: z.union([z.literal('uniform'), z.record(z.string(), z.record(z.string(), z.number()))]).optional(),
  part: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('prompt'), tokens: z.int() }),
      z.strictObject({ kind: z.literal('lora'), rank: z.int() }),
    ])
    .optional(),
  range: z
    .tuple([z.int(), z.int()])
    .refine(([least, most]) => least <= most, { path: [1], message: 'expected the larger number last' })
    .optional(),
});

describe('loadConfig', () => {
  it('fills defaults, reads JSON as YAML, and applies overrides in order', () => {
    expect(loadConfig(schema, { file: fileOf('steps: 3\n') })).toEqual({
      steps: 3,
      rate: 0.1,
      data: { seed: 0 },
      list: [],
    });
    const overrides = ['steps=5', 'data.seed=7', 'steps=6', 'list=[{ name: "a=b" }]'];
    expect(loadConfig(schema, { file: fileOf('{"steps": 3, "rate": 0.5}'), overrides })).toEqual({
      steps: 6,
      rate: 0.5,
      data: { seed: 7 },
      list: [{ name: 'a=b' }],
    });
    expect(loadConfig(schema, { overrides: ['steps=2'] }).steps).toBe(2);
  });

  it('reads what formatConfig writes', () => {
    const config = loadConfig(schema, { overrides: ['steps=2', 'part={kind: lora, rank: 4}'] });
    expect(loadConfig(schema, { file: fileOf(formatConfig(config)) })).toEqual(config);
  });

  it('names what a configuration leaves out, in comments', () => {
    const config = loadConfig(schema, { overrides: ['steps=2', 'part={kind: lora, rank: 4}'] });
    const text = explainConfig(schema, config);
    expect(text).toBe(
      `${formatConfig(config)}# Left out, without a default:\n#   data.scenes\n#   shares\n#   range\n`,
    );
    expect(loadConfig(schema, { file: fileOf(text) })).toEqual(config);
  });

  it.each([
    ['steps: 1\nstepz: 2\n', [], /:2: unknown key stepz; did you mean steps\?$/],
    ['steps: 1\ndata:\n  seed: 1\n  scene: 2\n', [], /:4: unknown key scene; did you mean scenes\?$/],
    [
      'steps: 1\nzebra: 2\n',
      [],
      /:2: unknown key zebra; expected one of steps, rate, data, list, shares, part, range$/,
    ],
    [
      'steps: 1\nlist:\n  - name: a\n  - nane: b\n    name: c\n',
      [],
      /:4: unknown key nane; did you mean name\?$/,
    ],
    ['rate: 0.5\n', [], /yaml: steps: missing; expected number/],
    ['steps: 1\ndata: { scenes: 5 }\n', [], /:2: data.seed: missing; expected number/],
    ['steps: 1.5\n', [], /:1: steps: expected int, received 1.5$/],
    ['steps: one\n', [], /:1: steps: expected number, received "one"$/],
    ['steps: .nan\n', [], /:1: steps: expected number, received NaN$/],
    ['steps: 1e400\n', [], /:1: steps: expected number, received Infinity$/],
    ['steps: 1\nrange: 5\n', [], /:2: range: expected a list, received 5$/],
    ['steps: 1\nrange: [3, 2]\n', [], /:2: range.1: expected the larger number last, received 2$/],
    ['steps: 0\n', [], /:1: steps: expected number at least 1, received 0$/],
    ['steps: 1\nrate: 0\n', [], /:2: rate: expected number greater than 0, received 0$/],
    ['steps: 1\nrate: 3\n', [], /:2: rate: expected number at most 1, received 3$/],
    [
      'steps: 1\npart: { kind: lorra, rank: 1 }\n',
      [],
      /:2: part.kind: expected "prompt" or "lora", received "lorra"$/,
    ],
    [
      'steps: 1\npart: { kind: prompt, tokens: 2, rank: 1 }\n',
      [],
      /:2: unknown key rank; expected one of kind, tokens$/,
    ],
    ['steps: 1\npart: { kind: lora }\n', [], /:2: part.rank: missing; expected number/],
    ['steps: 1\nshares: { a: { b: x } }\n', [], /:2: shares.a.b: expected number, received "x"$/],
    ['steps: 1\nshares: even\n', [], /:2: shares: expected "uniform", received "even"$/],
    ['steps: 1\n', ['data.seed=x'], /^--set data.seed: expected number, received "x"$/],
    [
      'steps: 1\n',
      ['data.sed=1'],
      /data.seed: missing(.|\n)*--set data.sed: unknown key sed; did you mean seed\?$/,
    ],
    ['steps: 1\n', ['steps'], /^--set steps: expected key=value/],
    ['steps: 1\n', ['=1'], /^--set =1: expected key=value/],
    [
      'steps: 1\n',
      ['steps.inner=1'],
      /^--set steps.inner=1: steps.inner lies below a value that has no keys$/,
    ],
    ['steps: [1\n', [], /:\d+: .*flow/i],
    ['steps: 1\nsteps: 2\n', [], /:2: .*unique/],
    ['- 1\n', [], /expected keys and values, received \[1\]$/],
  ])('says where %j with %j is wrong', (text, overrides, message) => {
    const file = fileOf(text);
    const run = () => loadConfig(schema, { file, overrides });
    expect(run).toThrow(UsageError);
    expect(run).toThrow(message);
  });

  it('names every fault at once', () => {
    const file = fileOf('steps: 0\nstepz: 1\nrate: -1\n');
    expect(() => loadConfig(schema, { file })).toThrow(
      /:1: steps(.|\n)*:3: rate(.|\n)*:2: unknown key stepz/,
    );
  });

  it('names a file that cannot be read', () => {
    expect(() => loadConfig(schema, { file: path.join(folder, 'none.yaml') })).toThrow(
      /none.yaml: cannot read/,
    );
  });
});

describe('peekConfig', () => {
  it('reads one field without checking the others', () => {
    expect(peekConfig({ file: fileOf('model: vae\nwrong: 1\n') }, 'model')).toBe('vae');
    expect(peekConfig({ file: fileOf('wrong: 1\n'), overrides: ['model=clip'] }, 'model')).toBe('clip');
    expect(peekConfig({ file: fileOf('') }, 'model')).toBeUndefined();
  });
});
