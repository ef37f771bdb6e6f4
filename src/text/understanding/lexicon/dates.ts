/** Times that prompts are set in, beyond the dates that wink-nlp knows. */

const MONTHS = 'January|February|March|April|May|June|July|August|September|October|November|December';
const ERAS =
  'Victorian|Edwardian|Georgian|Elizabethan|medieval|Regency|Renaissance|Baroque|Stone Age|Bronze Age|Iron Age|Middle Ages|' +
  'Meiji|Edo|Ming dynasty|Qing dynasty|Han dynasty|Roman era|Cold War|World War (?:I|II|One|Two|1|2)|Industrial Revolution';
const HOLIDAYS =
  "Christmas(?: Eve| Day)?|Halloween|Easter|Thanksgiving|Ramadan|Diwali|Hanukkah|New Year(?:'s(?: Eve| Day)?)?|Black Friday|" +
  "Valentine's Day|Mother's Day|Father's Day|Independence Day|Chinese New Year|Carnival|Mardi Gras";

/** Expressions for times, each with the name of its rule; earlier ones win where two overlap. */
export const DATE_PATTERNS: readonly (readonly [expression: RegExp, rule: string])[] = [
  [
    new RegExp(
      `\\b(?:\\d{1,2}(?:st|nd|rd|th)? )?(?:${MONTHS})(?: \\d{1,2}(?:st|nd|rd|th)?)?(?:,? (?:1[0-9]|20)\\d{2})\\b`,
      'g',
    ),
    'date',
  ],
  [new RegExp(`\\b\\d{1,2}(?:st|nd|rd|th)? (?:of )?(?:${MONTHS})\\b`, 'g'), 'date'],
  [/\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})\b/g, 'date'],
  [/\b(?:1[0-9]|20)\d0['’]?s\b/g, 'decade'],
  [
    /\b(?:the )?(?:roaring |swinging )?(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)\b/gi,
    'decade',
  ],
  [
    /\b(?:\d{1,2}(?:st|nd|rd|th)|[a-z]+teenth|(?:twenty[ -])?first|twelfth|twentieth)[ -]century\b/gi,
    'century',
  ],
  [/(?<![\p{L}\p{N}x:.-])(?:1[0-9]\d{2}|20\d{2})(?![\p{L}\p{N}x:.-])/gu, 'year'],
  [new RegExp(`\\b(?:${ERAS})(?: era| times| age| period)?\\b`, 'gi'), 'era'],
  [new RegExp(`\\b(?:${HOLIDAYS})\\b`, 'gi'), 'holiday'],
  [new RegExp(`\\b(?:in|on|since|until|of|early|late) (?:${MONTHS})\\b`, 'g'), 'month'],
  [/\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day(?: (?:morning|afternoon|evening|night))?\b/g, 'weekday'],
];
