/** Writes the tokenizer of Portraits: the first entries of CLIP's own byte-pair vocabulary, in Hugging Face's files. */

import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { clipVocabularyFiles } from '../src/text/bpe_vocabulary.ts';
import { writeTextAtomically } from '../src/weights/atomic_file.ts';

/** Tokens that are no merges: 256 bytes, the same at the end of a word, and the start and end of a text. */
const BASE_TOKENS = 514;

const { values } = parseArgs({
  options: {
    merges: { type: 'string', default: 'test/fixtures/clip-tokenizer/bpe_simple_vocab_16e6.txt.gz' },
    size: { type: 'string', default: '8192' },
    output: { type: 'string', default: 'models/portraits/tokenizer' },
  },
});
const text = gunzipSync(readFileSync(values.merges)).toString('utf8');
const { vocabJson, mergesTxt } = clipVocabularyFiles(text, Number(values.size) - BASE_TOKENS);
const special = {
  bos_token: '<|startoftext|>',
  eos_token: '<|endoftext|>',
  pad_token: '<|endoftext|>',
  unk_token: '<|endoftext|>',
};
const config = {
  tokenizer_class: 'CLIPTokenizer',
  ...special,
  model_max_length: 77,
  do_lower_case: true,
  add_prefix_space: false,
};
mkdirSync(values.output, { recursive: true });
const write = (name: string, content: string) => writeTextAtomically(path.join(values.output, name), content);
write('vocab.json', vocabJson);
write('merges.txt', mergesTxt);
write('tokenizer_config.json', `${JSON.stringify(config, null, 2)}\n`);
write('special_tokens_map.json', `${JSON.stringify(special, null, 2)}\n`);
