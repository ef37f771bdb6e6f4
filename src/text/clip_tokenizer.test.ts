import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import {
  buildClipVocabulary,
  byteSymbols,
  CLIP_MERGE_COUNT,
  clipVocabularyFiles,
  parseMerges,
} from './bpe_vocabulary.ts';
import { createClipTokenizer, loadClipTokenizer } from './clip_tokenizer.ts';

const read = (name: string) =>
  readFileSync(new URL(`../../test/fixtures/clip-tokenizer/${name}`, import.meta.url));
const mergesText = gunzipSync(read('bpe_simple_vocab_16e6.txt.gz')).toString('utf8');
const { prompts } = JSON.parse(read('prompts.json').toString()) as {
  prompts: { text: string; ids: number[]; attended: number; openai_untruncated_length: number }[];
};
const anchors = JSON.parse(read('anchors.json').toString()) as {
  byte_to_codepoint: number[];
  byte_token_id: number[];
};

const allMerges = parseMerges(mergesText, CLIP_MERGE_COUNT);
const tokenizer = createClipTokenizer({ vocabulary: buildClipVocabulary(allMerges), merges: allMerges });

const root = mkdtempSync(join(tmpdir(), 'evenhand-tokenizer-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
function folderWith(files: Record<string, string>): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe('the vocabulary', () => {
  it('has the byte symbols and their ids where CLIP has them', () => {
    const symbols = byteSymbols();
    const vocabulary = buildClipVocabulary([]);
    expect(anchors.byte_to_codepoint.map((code) => String.fromCodePoint(code))).toEqual(
      Array.from({ length: 256 }, (_, byte) => symbols.get(byte)),
    );
    expect(Array.from({ length: 256 }, (_, byte) => vocabulary[symbols.get(byte)!])).toEqual(
      anchors.byte_token_id,
    );
  });

  it('has 49408 tokens', () => {
    expect(tokenizer.vocabularySize).toBe(49408);
    expect([tokenizer.startId, tokenizer.endId, tokenizer.padId]).toEqual([49406, 49407, 49407]);
  });

  it.each([
    ['too few merges', () => parseMerges('#version: 0.2\na b\n', 2), 'expected at least 2, received 1'],
    ['a line that is no pair', () => parseMerges('#version: 0.2\na b\nc\n'), 'line 2: expected two symbols'],
    ['a symbol from nowhere', () => buildClipVocabulary(['th e</w>']), 'no earlier merge makes'],
    ['a merge twice', () => buildClipVocabulary(['t h', 't h']), 'exists already'],
  ])('refuses %s', (_, build, message) => {
    expect(build).toThrow(message);
  });
});

describe('parity with CLIPTokenizerFast', () => {
  it('covers 70 prompts', () => expect(prompts.length).toBe(70));

  it.each(prompts)('$text', ({ text, ids, attended }) => {
    const encoded = tokenizer.encode(text);
    expect(encoded.ids).toEqual(ids);
    expect(encoded.attentionMask).toEqual(
      Array.from({ length: 77 }, (_, index) => (index < attended ? 1 : 0)),
    );
  });

  // Ids from tokenizers 0.23.2 for characters on which Unicode white space and JavaScript's differ.
  it.each([
    ['▾\ufeff', [4168, 122, 171, 119, 379]],
    ['a\u0085b', [320, 321]],
    ['ΣΑΣ', [139, 225, 138, 109, 139, 481]],
  ])('%j', (text, ids) => {
    expect(tokenizer.encodeText(text)).toEqual(ids);
  });
});

describe('length', () => {
  it('cuts what does not fit and says what it was', () => {
    const encoded = tokenizer.encode('A photo of an Astronaut, riding Ångström!', { maxLength: 8 });
    expect(encoded.ids).toEqual([49406, 320, 1125, 539, 550, 18376, 267, 49407]);
    expect(encoded.attentionMask).toEqual(Array(8).fill(1));
    expect(encoded.truncated).toBe('riding ångström !');
  });

  it.each(prompts.filter(({ openai_untruncated_length: length }) => length > 77))(
    '$text is cut',
    ({ text, ids }) => {
      const { truncated } = tokenizer.encode(text);
      expect(truncated).not.toBe('');
      const [kept, lost] = [tokenizer.decode(ids), tokenizer.decode(tokenizer.encodeText(truncated))];
      expect(`${kept} ${lost}`.replaceAll(' ', '')).toBe(text.toLowerCase().replaceAll(' ', ''));
    },
  );

  it('fits exactly or pads', () => {
    expect(tokenizer.encode('cat', { maxLength: 3 })).toEqual({
      ids: [49406, 2368, 49407],
      attentionMask: [1, 1, 1],
      truncated: '',
    });
    expect(tokenizer.encode('cat', { maxLength: 5 }).attentionMask).toEqual([1, 1, 1, 0, 0]);
    expect(tokenizer.encode('cat', { maxLength: 2 })).toEqual({
      ids: [49406, 49407],
      attentionMask: [1, 1],
      truncated: 'cat',
    });
    expect(() => tokenizer.encode('cat', { maxLength: 1 })).toThrow(
      'expected an integer of at least 2, received 1',
    );
  });
});

describe('a vocabulary of the first merges', () => {
  const merges = parseMerges(mergesText, 1000);
  const small = createClipTokenizer({ vocabulary: buildClipVocabulary(merges), merges });

  it('encodes every text into its own ids, and back', () => {
    expect(small.vocabularySize).toBe(1514);
    for (const { text } of prompts) {
      const ids = small.encodeText(text);
      expect(Math.max(0, ...ids)).toBeLessThan(1514);
      expect(small.decode(ids)).toBe(tokenizer.decode(tokenizer.encodeText(text)));
    }
  });

  it('makes more tokens of a rare word and the same of a common one', () => {
    expect(small.encodeText('of the')).toEqual(tokenizer.encodeText('of the'));
    expect(small.encodeText('astronaut').length).toBeGreaterThan(tokenizer.encodeText('astronaut').length);
  });
});

describe('loading a folder', () => {
  const { vocabJson, mergesTxt } = clipVocabularyFiles(mergesText, 500);
  const files = { 'vocab.json': vocabJson, 'merges.txt': mergesTxt };

  it('with vocabulary and merges alone', () => {
    const loaded = loadClipTokenizer(folderWith(files));
    const merges = parseMerges(mergesText, 500);
    const built = createClipTokenizer({ vocabulary: buildClipVocabulary(merges), merges });
    for (const { text } of prompts) expect(loaded.encode(text)).toEqual(built.encode(text));
    expect([loaded.padId, loaded.maxLength]).toEqual([1013, 77]);
  });

  it('with the special tokens and length of Stable Diffusion 2', () => {
    const loaded = loadClipTokenizer(
      folderWith({
        ...files,
        'special_tokens_map.json': JSON.stringify({
          pad_token: '!',
          eos_token: { content: '<|endoftext|>' },
        }),
        'tokenizer_config.json': JSON.stringify({
          model_max_length: 32,
          bos_token: { content: '<|startoftext|>' },
        }),
      }),
    );
    expect(loaded.encode('').ids).toEqual([1012, 1013, ...Array(30).fill(0)]);
  });

  it('with tokenizer.json alone', () => {
    const merges = parseMerges(mergesText, 500);
    const model = {
      type: 'BPE',
      vocab: JSON.parse(vocabJson),
      merges: merges.map((merge) => merge.split(' ')),
    };
    const loaded = loadClipTokenizer(folderWith({ 'tokenizer.json': JSON.stringify({ model }) }));
    expect(loaded.encodeText('a photo of a person')).toEqual(
      loadClipTokenizer(folderWith(files)).encodeText('a photo of a person'),
    );
  });

  it.each([
    ['nothing', {}, 'expected a tokenizer with vocab.json and merges.txt'],
    [
      'a vocabulary without bytes',
      { ...files, 'vocab.json': '{"<|startoftext|>":0,"<|endoftext|>":1}' },
      'has no token "!"',
    ],
    [
      'a vocabulary without the end',
      { ...files, 'vocab.json': vocabJson.replace('endoftext', 'eot') },
      'no token "<|endoftext|>"',
    ],
    [
      'merges of another vocabulary',
      { ...files, 'merges.txt': `${mergesTxt}zz zz\n` },
      '"zz zz" makes no token',
    ],
    [
      'an id that is no number',
      { ...files, 'vocab.json': vocabJson.replace(':0,', ':"0",') },
      'has the id 0',
    ],
    [
      'a tokenizer.json of another kind',
      { 'tokenizer.json': '{"model":{"type":"WordPiece"}}' },
      'expected a BPE model',
    ],
  ])('refuses %s', (_, contents, message) => {
    expect(() => loadClipTokenizer(folderWith(contents))).toThrow(message);
  });
});
