import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { imageBatch } from '../faces/index.ts';
import { openModelFolder } from '../faces/model_folder.ts';
import { smoothImages, writeCompanion } from '../faces/testing/companions.ts';
import { elementCount, input, Runtime } from '../graph/index.ts';
import { clipText, parseClipTextConfig } from '../models/clip_text.ts';
import { loadClipTokenizer } from '../text/clip_tokenizer.ts';
import type { TensorToWrite } from '../weights/safetensors_writer.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { openModelWeights } from '../weights/weight_files.ts';
import { loadImageFeatures } from './image_features.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'features-'));
const at = (...names: string[]) => path.join(folder, ...names);
writeTinyModel(folder);
writeCompanion(folder, 'dino');
writeWholeClip();
const runtime = new Runtime({ threads: 1 });
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

/** `clip/`: the companion's image half, the tiny model's text encoder, and a projection. */
function writeWholeClip(): void {
  writeCompanion(folder, 'clip');
  const tensors = new Map<string, TensorToWrite>();
  for (const part of ['clip', 'text_encoder']) {
    const source = openModelWeights(at(part));
    for (const name of source.names()) {
      tensors.set(name, { dtype: 'F32', shape: source.info(name).shape, data: source.readFloat32(name) });
    }
  }
  const shape = [12, 32];
  const data = gaussianNoise({ seed: 6 }, elementCount(shape));
  tensors.set('text_projection.weight', { dtype: 'F32', shape, data });
  const json = (...names: string[]) => JSON.parse(readFileSync(at(...names), 'utf8')) as object;
  const config = {
    projection_dim: 12,
    vision_config: json('clip', 'config.json'),
    text_config: json('text_encoder', 'config.json'),
  };
  mkdirSync(at('whole'));
  writeSafetensors(at('whole', 'model.safetensors'), tensors);
  writeFileSync(at('whole', 'config.json'), JSON.stringify(config));
}

describe('image and text features', () => {
  it('embeds texts alike in any batch, from what stands at the end of the text', async () => {
    const tokenizer = at('tokenizer');
    const features = loadImageFeatures(runtime, { clip: at('whole'), dino: at('dino'), tokenizer });
    expect(features.dimensions).toEqual({ clip: 12, dino: 16 });
    const texts = Array.from({ length: 11 }, (_, i) => `a photo of ${'very '.repeat(i)}old cat ${i}`);
    const all = await features.encodeTexts!(texts);
    const [alone] = [await features.encodeTexts!([texts[9]!])];
    expect(all).toHaveLength(11 * 12);
    alone.forEach((value, i) => {
      expect(all[9 * 12 + i]).toBeCloseTo(value, 5);
    });

    // The same from a graph of the text's own length, without padding.
    const { parameters, config } = openModelFolder(at('whole'), (json) =>
      parseClipTextConfig((json as { text_config: object }).text_config),
    );
    const loaded = loadClipTokenizer(tokenizer);
    const inner = loaded.encodeText(texts[9]!);
    const ids = [loaded.startId, ...inner, loaded.endId];
    const value = input('ids', [1, ids.length], 'int64');
    const pooled = clipText(config, parameters, { ids: value }).poolerOutput!;
    const shape = { inputs: 32, outputs: 12, bias: false };
    const graph = await runtime.compile({ out: parameters.linear(pooled, 'text_projection', shape) });
    const { out } = await graph.run({ ids: BigInt64Array.from(ids, BigInt) });
    alone.forEach((number, i) => {
      expect(number).toBeCloseTo(Number(out![i]), 4);
    });
    await features.release();
  });

  it('embeds images by each encoder', async () => {
    const features = loadImageFeatures(runtime, { clip: at('clip'), dino: at('dino'), tokenizer: null });
    expect(features.encodeTexts).toBeNull();
    const images = imageBatch(smoothImages(3, 20, 20, 2), 3, 20, 20);
    const found = await features.encodeImages(images);
    expect(Object.keys(found).sort()).toEqual(['clip', 'dino']);
    expect(found.clip).toHaveLength(3 * 12);
    expect(found.dino).toHaveLength(3 * 16);
    expect(found.clip!.slice(0, 12)).not.toEqual(found.clip!.slice(12, 24));
    await features.release();
    const none = loadImageFeatures(runtime, { clip: null, dino: null, tokenizer: null });
    expect([none.dimensions, await none.encodeImages(images)]).toEqual([{}, {}]);
  });

  it('refuses a tokenizer with more tokens than the model', () => {
    const config = JSON.parse(readFileSync(at('whole', 'config.json'), 'utf8')) as { text_config: object };
    mkdirSync(at('small'));
    writeFileSync(at('small', 'model.safetensors'), readFileSync(at('whole', 'model.safetensors')));
    writeFileSync(
      at('small', 'config.json'),
      JSON.stringify({ ...config, text_config: { ...config.text_config, vocab_size: 20 } }),
    );
    const folders = { clip: at('small'), dino: null, tokenizer: at('tokenizer') };
    expect(() => loadImageFeatures(runtime, folders)).toThrow(/at most 20 tokens, received 1000/);
  });
});
