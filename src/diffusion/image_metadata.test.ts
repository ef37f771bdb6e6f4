import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  encodePng,
  formatParameters,
  type GenerationParameters,
  parseParameters,
  readPngMetadata,
} from './image_metadata.ts';
import { insertPngTexts } from './png.ts';

const PARAMETERS: GenerationParameters = {
  prompt: 'a photo of the face of a doctor, a person',
  negativePrompt: 'blurry, cropped',
  steps: 20,
  sampler: 'DPM++ 2M',
  scheduleType: 'Karras',
  guidanceScale: 7.5,
  seed: 5025937563,
  width: 512,
  height: 384,
  modelHash: '6ce0161689',
  model: 'v1-5-pruned-emaonly',
  extra: { 'Lora hashes': 'fair: 0123456789ab', 'Adapter scale': 0.75 },
  version: 'evenhand 0.1.0',
};

const TEXT = `a photo of the face of a doctor, a person
Negative prompt: blurry, cropped
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 5025937563, Size: 512x384, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Lora hashes: "fair: 0123456789ab", Adapter scale: 0.75, Version: evenhand 0.1.0`;

describe('parameters', () => {
  it('are written as AUTOMATIC1111 writes them', () => {
    expect(formatParameters(PARAMETERS)).toBe(TEXT);
  });

  it('leave out what is not stated', () => {
    const { prompt, steps, sampler, guidanceScale, seed, width, height } = PARAMETERS;
    expect(formatParameters({ prompt, steps, sampler, guidanceScale, seed, width, height })).toBe(
      `${prompt}\nSteps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 5025937563, Size: 512x384`,
    );
  });

  it('are taken apart', () => {
    expect(parseParameters(TEXT)).toEqual({
      prompt: PARAMETERS.prompt,
      negativePrompt: 'blurry, cropped',
      settings: {
        Steps: '20',
        Sampler: 'DPM++ 2M',
        'Schedule type': 'Karras',
        'CFG scale': '7.5',
        Seed: '5025937563',
        Size: '512x384',
        'Model hash': '6ce0161689',
        Model: 'v1-5-pruned-emaonly',
        'Lora hashes': 'fair: 0123456789ab',
        'Adapter scale': '0.75',
        Version: 'evenhand 0.1.0',
      },
    });
  });

  it.each([
    ['several lines', { prompt: 'first\n\nsecond: line', negativePrompt: 'one\ntwo' }],
    ['no prompt', { prompt: '' }],
    [
      'names that need quotes',
      { prompt: 'x', model: 'a, "b": c\\d\ne', extra: { Note: '"quoted"', Other: ' spaced ' } },
    ],
    ['a name that looks like settings', { prompt: 'x', model: 'Steps: 1, Sampler: 2, Seed: 3, Size: 4' }],
    ['settings in the prompt', { prompt: 'Steps: 1, Sampler: 2, Seed: 3, Size: 4' }],
    ['a large seed', { prompt: 'x', seed: 18446744073709551615n }],
  ])('with %s come back', (_, changes) => {
    const parameters: GenerationParameters = { ...PARAMETERS, negativePrompt: '', ...changes };
    const parsed = parseParameters(formatParameters(parameters));
    expect(parsed.prompt).toBe(parameters.prompt);
    expect(parsed.negativePrompt).toBe(parameters.negativePrompt);
    expect(parsed.settings.Model).toBe(parameters.model);
    expect(parsed.settings.Seed).toBe(String(parameters.seed));
    for (const [name, value] of Object.entries(parameters.extra ?? {}))
      expect(parsed.settings[name]).toBe(String(value));
  });

  it.each([
    [
      'a prompt alone',
      'ratio 4:3, style: flat',
      { prompt: 'ratio 4:3, style: flat', negativePrompt: '', settings: {} },
    ],
    ['nothing', '', { prompt: '', negativePrompt: '', settings: {} }],
    [
      'spacing of older programs',
      'cat\nSteps: 20,Sampler: Euler a,  Seed:7, Hires upscale: 2',
      {
        prompt: 'cat',
        negativePrompt: '',
        settings: { Steps: '20', Sampler: 'Euler a', Seed: '7', 'Hires upscale': '2' },
      },
    ],
    [
      'a quote that does not end',
      'cat\nSteps: 20, Seed: 7, Model: "broken',
      { prompt: 'cat', negativePrompt: '', settings: { Steps: '20', Seed: '7', Model: '"broken' } },
    ],
  ])('of others: %s', (_, text, expected) => {
    expect(parseParameters(text)).toEqual(expected);
  });

  it('are read in time that grows with the length alone', () => {
    const start = performance.now();
    parseParameters(`x\n${'a '.repeat(200_000)}`);
    parseParameters(`x\nSteps: "${'\\"'.repeat(200_000)}`);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('refuse an extra setting whose name could not be read back', () => {
    expect(() => formatParameters({ ...PARAMETERS, extra: { 'a: b': 1 } })).toThrow(
      '"a: b": expected a name',
    );
  });
});

describe('PNG files', () => {
  const pixels = Uint8Array.from({ length: 5 * 2 * 3 }, (_, index) => (index * 53) % 256);

  it.each([
    ['Latin-1', 'a café'],
    ['Unicode', '医者の写真'],
    ['a NUL', 'a\0b'],
  ])('carry parameters and record with %s, and the pixels exactly', async (_, prompt) => {
    const record = { prompt, seeds: [1, 2], nested: { scale: 7.5, none: null } };
    const bytes = await encodePng(pixels, 5, 2, { parameters: { ...PARAMETERS, prompt }, record });
    const metadata = readPngMetadata(bytes);
    expect(metadata.record).toEqual(record);
    expect(metadata.parameters?.prompt).toBe(prompt.replace('\0', '\ufffd'));
    expect(metadata.parameters?.settings.Steps).toBe('20');
    expect([...metadata.texts.keys()]).toEqual(['parameters', 'evenhand']);
    const decoded = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    expect(decoded.info).toMatchObject({ width: 5, height: 2, channels: 3 });
    expect(Uint8Array.from(decoded.data)).toEqual(pixels);
  });

  it('without metadata have none', async () => {
    const metadata = readPngMetadata(await encodePng(pixels, 5, 2));
    expect(metadata).toEqual({ texts: new Map() });
  });

  it('refuse pixels of another size, and a record that is not JSON', async () => {
    await expect(encodePng(pixels, 5, 3)).rejects.toThrow('5x3 takes 45 bytes, received 30');
    const broken = insertPngTexts(await encodePng(pixels, 5, 2), [{ keyword: 'evenhand', text: '{' }]);
    expect(() => readPngMetadata(broken)).toThrow('the text evenhand is not JSON');
  });
});
