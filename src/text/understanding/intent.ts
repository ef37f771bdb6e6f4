/** What the user wants: an image, a change of one, an answer, a measurement, fine-tuning, help. */

import type { Intent, IntentKind, StructuredCommand } from './types.ts';

const PLEASE =
  "(?:please |kindly |hey,? |hi,? |can you |could you |would you |will you |i want you to |let's |now )*";
const DRAW_VERB =
  'draw|paint|sketch|generate|create|make|produce|render|show|imagine|design|illustrate|depict|visuali[sz]e|give|compose|photograph';
const IMAGE =
  'images?|pictures?|photos?|photographs?|portraits?|paintings?|drawings?|illustrations?|posters?|sketch(?:es)?|' +
  'pics?|headshots?|renders?|versions?|variations?|selfies?|snapshots?';
const NUMBER_WORDS = 'one two three four five six seven eight nine ten eleven twelve'.split(' ');

/** In the order in which they are tried; the last, a bare description, fits everything. */
const RULES: readonly (readonly [kind: IntentKind, rule: string, expression: RegExp])[] = [
  ['help', 'asks for help', /^(?:help|\?)\W*$|^(?:how (?:do|can) i (?:use|draw|generate|fine-?tune))\b/i],
  [
    'finetune',
    'verb of fine-tuning',
    new RegExp(
      `^${PLEASE}(?:fine-?tune|debias|de-bias|train|retrain|balance|make (?:the )?.*\\b(?:fair|fairer|unbiased|balanced)\\b)`,
      'i',
    ),
  ],
  [
    'measure',
    'verb of measuring',
    new RegExp(
      `^${PLEASE}(?:measure|evaluate|audit|assess|check|report|test|compare|count)\\b.*\\b(?:bias|biased|fairness|model|adapter|gender|race|age|distribution|share)`,
      'i',
    ),
  ],
  ['ask', 'question about the model', /\bhow (?:biased|fair)\b|^(?:is|are) (?:the|this|your) model\b/i],
  [
    'draw',
    'question that asks for an image',
    new RegExp(`^(?:can|could|would|will) (?:you|i|we)\\b.*\\b(?:${DRAW_VERB}|have|get|see)\\b`, 'i'),
  ],
  ['ask', 'question', /^(?:what|why|who|whose|when|where|which|how|is|are|does|do|did)\b[^.]*\?\s*$/i],
  [
    'vary',
    'asks for variations',
    new RegExp(
      `^${PLEASE}(?:(?:give|show|make|generate|draw) (?:me |us )?)?(?:(?:some |a few |(?:\\d+|${NUMBER_WORDS.join('|')}) )?(?:more|another|other|different) (?:one|ones|of (?:these|those|this|that)|like (?:this|that|it)|${IMAGE}|variations?)|(?:another|again|once more|try again|one more)\\W*$|vary\\b|variations? of\\b)`,
      'i',
    ),
  ],
  [
    'edit',
    'verb of changing',
    new RegExp(
      `^${PLEASE}(?:(?:change|remove|replace|erase|crop|recolou?r|brighten|darken|blur|enlarge|upscale|rotate|flip|retouch|edit|swap|turn|add)\\b|make (?:him|her|it|them|this|that|the (?:image|picture|photo|background|person|man|woman|face))\\b)`,
      'i',
    ),
  ],
  ['draw', 'verb of drawing', new RegExp(`^${PLEASE}(?:${DRAW_VERB})\\b`, 'i')],
  [
    'draw',
    'wish',
    /^(?:i(?:'d| would)? (?:want|need|like|love)|i am looking for|i'm looking for|we (?:need|want))\b/i,
  ],
  ['draw', 'description', /(?:)/],
];

const COMMAND_INTENTS: Readonly<Record<string, IntentKind>> = Object.freeze({
  generate: 'draw',
  finetune: 'finetune',
  evaluate: 'measure',
  understand: 'ask',
  help: 'help',
});

/** The intent of natural language. */
export function findIntent(prompt: string): Intent {
  const text = prompt.trim();
  const [kind, rule] = RULES.find(([, , expression]) => expression.test(text))!;
  return Object.freeze({ kind, images: kind === 'draw' || kind === 'vary' ? imagesAsked(text) : null, rule });
}

/** The intent of a structured command. */
export function intentOfCommand({ name, count }: StructuredCommand): Intent {
  return Object.freeze({ kind: COMMAND_INTENTS[name] ?? 'draw', images: count, rule: 'structured command' });
}

/** Number of images that the words ask for; 'a portrait' asks for none in particular. */
function imagesAsked(text: string): number | null {
  const match = new RegExp(
    `\\b(\\d{1,4}|${NUMBER_WORDS.join('|')}|a dozen)(?: [a-z-]+){0,2}? (?:${IMAGE})\\b`,
    'i',
  ).exec(text);
  if (match === null) return null;
  const word = match[1]!.toLowerCase();
  if (word === 'a dozen') return 12;
  return /^\d/.test(word) ? Number(word) : NUMBER_WORDS.indexOf(word) + 1;
}
