/** Structured commands and the options of each, as `evenhand` itself names them. */

/** What a value must be. */
export type OptionKind = 'integer' | 'number' | 'text' | 'flag';

/** One option of a structured command. */
export interface OptionRule {
  readonly kind: OptionKind;
  /** Least number that is allowed. */
  readonly least?: number;
  /** Words that are allowed. */
  readonly choices?: readonly string[];
}

/** One structured command. */
export interface CommandRule {
  /** Whether a number of images may stand before the prompt. */
  readonly counts: boolean;
  /** Whether text must follow. */
  readonly needsPrompt: boolean;
  readonly options: Readonly<Record<string, OptionRule>>;
}

const MODEL: Readonly<Record<string, OptionRule>> = Object.freeze({
  model: { kind: 'text' },
  device: { kind: 'text', choices: ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'] },
  seed: { kind: 'integer', least: 0 },
});

/** Commands by name, options by their names on the command line. */
export const COMMAND_RULES: Readonly<Record<string, CommandRule>> = Object.freeze({
  generate: {
    counts: true,
    needsPrompt: true,
    options: {
      ...MODEL,
      'negative-prompt': { kind: 'text' },
      'num-images': { kind: 'integer', least: 1 },
      steps: { kind: 'integer', least: 1 },
      'guidance-scale': { kind: 'number', least: 1 },
      scheduler: { kind: 'text', choices: ['ddim', 'ddpm', 'dpmsolver++', 'euler', 'pndm'] },
      karras: { kind: 'flag' },
      width: { kind: 'integer', least: 8 },
      height: { kind: 'integer', least: 8 },
      adapter: { kind: 'text' },
      'adapter-scale': { kind: 'number' },
    },
  },
  finetune: {
    counts: false,
    needsPrompt: false,
    options: {
      ...MODEL,
      steps: { kind: 'integer', least: 1 },
      target: { kind: 'text' },
      output: { kind: 'text' },
    },
  },
  evaluate: {
    counts: false,
    needsPrompt: false,
    options: { ...MODEL, adapter: { kind: 'text' }, output: { kind: 'text' } },
  },
  understand: { counts: false, needsPrompt: true, options: { json: { kind: 'flag' } } },
  help: { counts: false, needsPrompt: false, options: {} },
});
