import { describe, expect, it } from 'vitest';
import { readLoraTag } from './lora_tags.ts';

describe("AUTOMATIC1111's tags of adapters", () => {
  it.each([
    ['a doctor <lora:fair:0.8>', 'a doctor', 'fair', 0.8],
    ['<lora:fair>a doctor', 'a doctor', 'fair', 1],
    ['a photo <lora:my-fair.2:1> of a doctor', 'a photo of a doctor', 'my-fair.2', 1],
    ['a doctor<lora:fair:-.5>, smiling', 'a doctor, smiling', 'fair', -0.5],
    ['a doctor,  <lora: fair : 1e-1 >\na nurse', 'a doctor, \na nurse', 'fair', 0.1],
    ['<lora:fair:0>', '', 'fair', 0],
  ])('are taken out of %j', (text, prompt, named, scale) => {
    expect(readLoraTag(text)).toEqual({ prompt, adapter: { named, scale } });
  });

  it.each(['a doctor', ' 1 < 2 > 0 ', '<lora>', '<lora:open', '<hypernet:x:1>', ''])(
    'are not what %j has',
    (text) => {
      expect(readLoraTag(text)).toEqual({ prompt: text, adapter: null });
    },
  );

  it.each([
    ['x <lora:a:1> y <lora:b>', /at most one <lora:NAME:WEIGHT>.* received <lora:a:1>, <lora:b>$/],
    ['<lora:a><lora:a>', /at most one/],
    ['x <lora:a:abc>', /expected <lora:NAME> or .* in -4..4, received <lora:a:abc>$/],
    ['<lora:>', /received <lora:>$/],
    ['<lora:a:>', /received <lora:a:>$/],
    ['<lora:a:5>', /received <lora:a:5>$/],
    ['<lora:a:0.5:0.8>', /one weight.*received <lora:a:0.5:0.8>$/],
    ['<lora:a:NaN>', /received <lora:a:NaN>$/],
    ['<lora:a:0x1>', /received <lora:a:0x1>$/],
  ])('refuse %j', (text, message) => {
    expect(() => readLoraTag(text)).toThrow(message);
  });
});
