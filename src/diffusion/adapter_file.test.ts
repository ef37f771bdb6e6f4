import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeLoraAdapter } from '../weights/lora_file.ts';
import { NO_ADAPTER } from './adapter.ts';
import { readAdapter, writeAdapter } from './adapter_file.ts';
import type { TextToImageModel } from './model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'adapter-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What reading soft tokens asks of a model. */
function modelOfWidth(width: number): TextToImageModel {
  const config = { hidden_size: width, max_position_embeddings: 77 };
  return { textEncoder: { config } } as unknown as TextToImageModel;
}

describe('adapter files', () => {
  it('keep soft tokens exactly', () => {
    const file = path.join(folder, 'tokens.safetensors');
    const softTokens = { count: 2, width: 3, data: Float32Array.of(1, -2.5, 3e-8, 4, 0.1, -6) };
    writeAdapter(file, { lora: null, softTokens }, { target: 'gender' });
    expect(readAdapter(file, modelOfWidth(3))).toEqual({ lora: null, softTokens });
  });

  it('refuse soft tokens of another width, with file and shape', () => {
    const file = path.join(folder, 'narrow.safetensors');
    writeAdapter(file, { lora: null, softTokens: { count: 1, width: 3, data: new Float32Array(3) } });
    expect(() => readAdapter(file, modelOfWidth(4))).toThrow(
      /narrow.*expected emb_params \[1..75, 4\].*\[1, 3\]/,
    );
  });

  it('refuse an adapter of nothing', () => {
    expect(() => writeAdapter(path.join(folder, 'x.safetensors'), NO_ADAPTER)).toThrow(
      /0 updates, 0 weights and 0 tokens/,
    );
    const lora = { textEncoder: new Map(), unet: new Map(), metadata: {} };
    const softTokens = { count: 1, width: 1, data: new Float32Array(1) };
    expect(() => writeAdapter(path.join(folder, 'x.safetensors'), { lora, softTokens })).toThrow(
      /and 1 tokens/,
    );
    expect(() => writeLoraAdapter(path.join(folder, 'x.safetensors'), lora, { format: 'kohya' })).toThrow();
  });
});
