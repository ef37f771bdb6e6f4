/** Words of race, ancestry and skin colour, and nationalities of which at least four in five people belong to one group. */

import type { RaceValue } from '../types.ts';
import type { AttributeEntry } from './entries.ts';
import { wordList } from './word_list.ts';

type Row = readonly [words: readonly string[], race: RaceValue];

const RACES: readonly Row[] = [
  [
    wordList`white, caucasian, european, middle eastern, latino, latin american, hispanic, latinx, latine, arab, arabian,
      arabic, persian, kurdish, berber, mestizo, slavic, nordic, scandinavian, anglo saxon, white american, chicano,
      north african, levantine, european american, western european, eastern european, northern european,
      southern european, mexican american, italian american, irish american, arab american, cuban american, anglo,
      spanish american, ashkenazi`,
    'wmelh',
  ],
  [
    wordList`asian, east asian, southeast asian, south east asian, central asian, oriental, asian american, han chinese,
      chinese american, japanese american, korean american, vietnamese american, filipino american, eurasian looking asian,
      north asian, tibetan, uyghur, hmong`,
    'asian',
  ],
  [
    wordList`black, african, african american, afro american, afro caribbean, west african, east african, sub saharan,
      sub saharan african, black american, afro, black british, black african, bantu, masai, maasai, zulu, yoruba,
      african british, central african, southern african, black skinned`,
    'black',
  ],
  [
    wordList`indian, south asian, desi, indian american, british indian, indian british, tamil, punjabi, bengali, gujarati,
      marathi, telugu, indo pakistani, rajasthani, sinhalese, british asian indian`,
    'indian',
  ],
  [
    wordList`mixed race, biracial, multiracial, mixed, mixed heritage, native american, american indian, indigenous,
      first nations, aboriginal, pacific islander, polynesian, melanesian, micronesian, maori, samoan, tongan, hawaiian,
      inuit, eskimo, afro latino, eurasian, mulatto, half asian, half black, half white, blasian, metis, navajo, cherokee,
      apache, sioux, multiethnic, native alaskan, torres strait islander, romani, roma`,
    'other',
  ],
  [
    wordList`dark skinned, light skinned, fair skinned, brown skinned, olive skinned, pale skinned, tan skinned, tanned
      skinned, darker skinned, lighter skinned, bronze skinned, dusky skinned, ebony skinned, brown, of color, of colour,
      interracial, non white, nonwhite, racially diverse, ethnically ambiguous, racially ambiguous, ethnically diverse, multicultural, bipoc, dark skin, light skin,
      fair skin, pale skin, olive skin, tan skin, brown skin, dark complexion, fair complexion, light complexion`,
    'unspecified',
  ],
  [wordList`white skinned`, 'wmelh'],
];

const NATIONALITIES: readonly Row[] = [
  [
    wordList`english, british, scottish, welsh, irish, french, german, spanish, italian, portuguese, dutch, belgian, swiss,
      austrian, swedish, norwegian, danish, finnish, icelandic, polish, czech, slovak, hungarian, romanian, bulgarian,
      greek, croatian, serbian, bosnian, slovenian, albanian, macedonian, ukrainian, russian, belarusian, lithuanian,
      latvian, estonian, maltese, georgian, armenian, turkish, syrian, lebanese, jordanian, iraqi, iranian, saudi,
      saudi arabian, yemeni, omani, palestinian, israeli, egyptian, moroccan, algerian, tunisian, libyan, afghan, mexican,
      guatemalan, honduran, salvadoran, nicaraguan, costa rican, panamanian, cuban, dominican, puerto rican, colombian,
      venezuelan, ecuadorian, peruvian, bolivian, chilean, argentine, argentinian, uruguayan, paraguayan, brazilian,
      catalan, basque, sicilian, andalusian, bavarian, parisian`,
    'wmelh',
  ],
  [
    wordList`chinese, japanese, korean, south korean, north korean, taiwanese, mongolian, vietnamese, thai, cambodian,
      laotian, lao, burmese, filipino, philippine, indonesian, malaysian, malay, singaporean, balinese, javanese,
      hong kong, cantonese, kazakh, kyrgyz, uzbek`,
    'asian',
  ],
  [
    wordList`nigerian, ghanaian, kenyan, ethiopian, somali, senegalese, malian, ugandan, tanzanian, rwandan, congolese,
      cameroonian, ivorian, zimbabwean, zambian, angolan, mozambican, namibian, botswanan, sudanese, south sudanese,
      eritrean, gambian, liberian, sierra leonean, haitian, jamaican, barbadian, bahamian, south african, malawian,
      burundian, togolese, beninese, guinean`,
    'black',
  ],
  [wordList`pakistani, bangladeshi, sri lankan, nepali, nepalese, bhutanese, maldivian, kashmiri`, 'indian'],
];

const LANGUAGES = new Set(wordList`english, french, german, spanish, italian, portuguese, russian, arabic`);

/** Nouns of one member of a group, with the gender that some carry. */
const NOUNS: readonly (readonly [word: string, race: RaceValue, gender?: 'female' | 'male'])[] = [
  ['latina', 'wmelh', 'female'],
  ['chicana', 'wmelh', 'female'],
  ['filipina', 'asian', 'female'],
  ['afro latina', 'other', 'female'],
  ['latinas', 'wmelh', 'female'],
  ['filipinas', 'asian', 'female'],
  ['spaniard', 'wmelh'],
  ['turk', 'wmelh'],
  ['dane', 'wmelh'],
  ['swede', 'wmelh'],
  ['briton', 'wmelh'],
];

function entriesOf(rows: readonly Row[], rule: string): [string, AttributeEntry][] {
  return rows.flatMap(([words, race]) =>
    words.flatMap((word): [string, AttributeEntry][] => {
      const nominal = race !== 'unspecified' && !/skinned$|(?:ish|ese|ch)$/.test(word);
      const entry: AttributeEntry = Object.freeze({
        kind: 'attribute',
        race,
        nominal,
        rule,
        ...(LANGUAGES.has(word) ? { language: true } : {}),
      });
      const looking: [string, AttributeEntry] = [
        `${word} looking`,
        Object.freeze({ ...entry, nominal: false }),
      ];
      const plural: [string, AttributeEntry] = [`${word}s`, Object.freeze({ ...entry, plural: true })];
      return nominal && /(?:n|o|x|b|i)$/.test(word)
        ? [[word, entry], looking, plural]
        : [[word, entry], looking];
    }),
  );
}

/** Entries by key. */
export const RACE_WORDS: readonly (readonly [string, AttributeEntry])[] = Object.freeze([
  ...entriesOf(RACES, 'word of race'),
  ...entriesOf(NATIONALITIES, 'nationality'),
  ...entriesOf(
    [[NATIONALITIES.flatMap(([words]) => words.map((word) => `half ${word}`)), 'other']],
    'word of race',
  ),
  ...NOUNS.map(
    ([word, race, gender]) =>
      [
        word,
        Object.freeze({
          kind: 'attribute',
          race,
          nominal: true,
          rule: 'word of race',
          plural: /s$/.test(word),
          ...(gender === undefined ? {} : { gender }),
        } satisfies AttributeEntry),
      ] as const,
  ),
]);

/** Colours that are also words of race: only people are described by them, never things. */
export const COLOR_WORDS: ReadonlySet<string> = new Set(['white', 'black', 'brown', 'mixed']);

/** Nouns that turn a word of race before them into a description of somebody ('of Asian descent'). */
export const ANCESTRY_NOUNS: ReadonlySet<string> = new Set(
  wordList`descent, origin, origins, heritage, ancestry, ethnicity, background, roots, features, facial, appearance, race,
    looks, skin, complexion`,
);

/** Nouns before which a nationality tells where a thing comes from, not a person. */
export const CULTURE_NOUNS: ReadonlySet<string> = new Set(
  wordList`restaurant, food, cuisine, language, literature, history, art, culture, studies, embassy, wine, tea, coffee,
    carpet, rug, painting, architecture, music, flag, style, pizza, bakery, cheese, market, temple, garden, porcelain, silk,
    mythology, philosophy, law, poetry, revolution, renaissance, empire, folk, shepherd, bulldog, horse, mastiff, terrier`,
);
