/** Nouns for people that aren't occupations: generic nouns, ages of life, kinship, gendered offices, collectives. */

import type { Attributes, PersonEntry, PersonRole } from './entries.ts';
import { pluralOf, wordList } from './word_list.ts';

type Row = readonly [nouns: readonly string[], role: PersonRole, rule: string, attributes?: Attributes];

// biome-ignore format: a table, one row after the other
const ROWS: readonly Row[] = [
  [wordList`person, human, human being, human figure, individual, adult, grown up, someone, somebody,
    stranger, friend, best friend, neighbor, neighbour, colleague, coworker, boss, classmate, roommate, guest,
    citizen, local, tourist, pedestrian, passenger, passerby, commuter, villager, spouse, lover, partner,
    fan, spectator, visitor, customer, client, onlooker, bystander, survivor, refugee, immigrant, migrant, protester,
    demonstrator, participant, member, resident, inhabitant, shopper, voter, winner, loser, beginner, expert,
    hero, villain, genius, nerd, hipster, punk, goth, hippie, beggar, prisoner, patient, volunteer, user`,
    'generic', 'noun for people'],
  [wordList`woman, lady, gal, damsel, dame, lesbian, transwoman, trans woman, femme fatale, housewife,
    businesswoman, gentlewoman, bridesmaid, bride, widow, maiden, ballerina, girlfriend, divorcee`,
    'generic', 'noun of gender', { gender: 'female' }],
  [wordList`man, gentleman, guy, dude, bloke, chap, fella, widower, bachelor, groom, bridegroom, groomsman,
    boyfriend, transman, trans man, bro, macho, househusband, businessman`,
    'generic', 'noun of gender', { gender: 'male' }],
  [wordList`girl, lass, schoolgirl, teen girl, teenage girl, little girl, tomboy`,
    'generic', 'noun of gender and age', { gender: 'female', age: 'young' }],
  [wordList`boy, lad, schoolboy, choirboy, teen boy, teenage boy, little boy, altar boy, paperboy`,
    'generic', 'noun of gender and age', { gender: 'male', age: 'young' }],
  [wordList`child, kid, baby, toddler, infant, newborn, teenager, teen, tween, preteen, adolescent, youngster, youth,
    juvenile, schoolchild, preschooler, kindergartner, young adult, twentysomething, twenty something, thirtysomething,
    thirty something, little one, zoomer, schoolkid, grandchild`,
    'generic', 'noun of age', { age: 'young' }],
  [wordList`senior citizen, pensioner, retiree, elder, octogenarian, nonagenarian, septuagenarian, sexagenarian,
    quinquagenarian, centenarian, oldster, old timer, fortysomething, forty something, fiftysomething, fifty something,
    sixtysomething, sixty something, village elder, golden ager, baby boomer, geezer, old age pensioner`,
    'generic', 'noun of age', { age: 'old' }],
  [wordList`crone, old lady, little old lady, hag`, 'generic', 'noun of gender and age', { gender: 'female', age: 'old' }],
  [wordList`enby`, 'generic', 'noun of gender', { gender: 'nonbinary' }],

  [wordList`parent, cousin, sibling, relative, ancestor, descendant, in law, fiance, twin sibling, godparent`,
    'kin', 'kinship'],
  [wordList`mother, mom, mum, mama, mommy, mummy, daughter, sister, wife, aunt, auntie, aunty, niece, granddaughter,
    stepmother, stepdaughter, stepsister, half sister, mother in law, daughter in law, sister in law, godmother, fiancee,
    twin sister, older sister, elder sister, big sister, younger sister, little sister, single mother, single mom`,
    'kin', 'kinship', { gender: 'female' }],
  [wordList`father, dad, papa, daddy, son, brother, husband, uncle, nephew, grandson, stepfather, stepson,
    stepbrother, half brother, father in law, son in law, brother in law, godfather, twin brother, older brother,
    elder brother, big brother, younger brother, little brother, single father, single dad`,
    'kin', 'kinship', { gender: 'male' }],
  [wordList`grandparent, great grandparent`, 'kin', 'kinship of age', { age: 'old' }],
  [wordList`grandmother, grandma, granny, nana, great grandmother, grandmom, abuela, babushka`,
    'kin', 'kinship of gender and age', { gender: 'female', age: 'old' }],
  [wordList`grandfather, grandpa, granddad, grandad, great grandfather, gramps, abuelo`,
    'kin', 'kinship of gender and age', { gender: 'male', age: 'old' }],

  [wordList`queen, princess, duchess, countess, baroness, empress, tsarina, marchioness, noblewoman, heiress, hostess,
    waitress, actress, stewardess, air hostess, seamstress, poetess, priestess, abbess, goddess, heroine, enchantress,
    sorceress, temptress, huntress, governess, headmistress, mistress, landlady, nun, masseuse, chanteuse, songstress,
    barmaid, milkmaid, handmaid, chambermaid, maid, usherette, suffragette, shepherdess, murderess, villainess,
    adventuress, comedienne, showgirl, cowgirl, call girl, cover girl, geisha, prima ballerina, diva, prioress,
    first lady, cleaning lady, tea lady, dinner lady, bag lady, lady in waiting, sultana, matriarch, madonna,
    beauty queen, prom queen, prima donna, majorette, weather girl, flower girl, ring girl,
    girl scout`,
    'office', 'gendered title', { gender: 'female' }],
  [wordList`king, prince, duke, baron, earl, emperor, tsar, viscount, nobleman, sultan, maharaja, pharaoh, pope, monk,
    friar, abbot, headmaster, cowboy, ballboy, bellboy, busboy, playboy, masseur,
    patriarch, choirmaster, gigolo, prom king, boy scout,
    lord, warlord, wise man, strongman, hangman`,
    'office', 'gendered title', { gender: 'male' }],
];

const COLLECTIVES: readonly (readonly [
  nouns: readonly string[],
  members: number | null,
  measure: boolean,
])[] = [
  [wordList`pair`, 2, true],
  [wordList`duo, couple, newlyweds, twosome`, 2, true],
  [wordList`trio, threesome`, 3, true],
  [wordList`quartet, foursome, string quartet, jazz quartet, barbershop quartet`, 4, true],
  [wordList`quintet`, 5, true],
  [wordList`sextet`, 6, true],
  [wordList`group, bunch, gang, mob, swarm, handful, row, circle`, null, true],
  [
    wordList`crowd, family, audience, crew, choir, orchestra, army, platoon, squad, troop, team, football team, jury,
    parliament, congregation, rock band, jazz band, boy band, girl band, marching band, brass band, punk band, metal band,
    folk band, school class, flash mob, clergy, royal family, staff, bridal party, search party,
    tribe, household, girl group, pop group, youth group, committee, board of directors, panel of experts, ballet company,
    theater company, dance troupe, troupe, police, public, rush hour crowd, humankind, humanity, personnel, cast, faculty,
    militia, cavalry, posse, delegation, entourage, wedding party`,
    null,
    false,
  ],
];

/** Stems of `-man` and `-woman`. */
const STEMS = wordList`business, police, fire, sales, fisher, camera, crafts, sports, states, congress, spokes, council,
  chair, fore, post, mail, milk, door, noble, work, trades, horse, bats, anchor, watch, service, clergy, country, hunts,
  repair, handy, strong, stunt, weather, news, air, boat, ferry, sea, space, show, french, english, irish, welsh, dutch,
  scots, cave, yachts, oars, guards, woods, axe, swords, rifle, marks, assembly, alder, church, lay, kins, towns, dust,
  bin, plough, herds, signal, rail, barge, cattle, draughts, drafts, frontiers, garbage, ice, infantry,
  line, middle, mountain, ombuds, outdoors, pitch, sand, stable, tribes, trench, coach, cow,
  switch, jury, plains, gun, front, leads`;

function entriesOf([nouns, role, rule, attributes = {}]: Row): [string, PersonEntry][] {
  return nouns.flatMap((noun) => {
    const entry: PersonEntry = Object.freeze({
      kind: 'person',
      role,
      noun,
      plural: false,
      rule,
      ...attributes,
    });
    return [
      [noun, entry] as [string, PersonEntry],
      [pluralOf(noun), Object.freeze({ ...entry, plural: true })],
    ];
  });
}

function collectiveEntries(nouns: readonly string[], members: number | null, measure: boolean) {
  return nouns.flatMap((noun): [string, PersonEntry][] => {
    const entry: PersonEntry = Object.freeze({
      kind: 'person',
      role: 'collective',
      noun,
      plural: false,
      members,
      measure,
      rule: 'collective',
    });
    return [
      [noun, entry],
      [pluralOf(noun), Object.freeze({ ...entry, plural: true, members: null })],
    ];
  });
}

/** Nouns that come only in the plural or with a number inside. */
const SPECIAL: readonly [string, PersonEntry][] = (
  [
    ['twins', 2, {}],
    ['triplets', 3, {}],
    ['quadruplets', 4, {}],
    ['siblings', null, {}],
    ['folks', null, {}],
    ['everyone', null, {}],
    ['everybody', null, {}],
    ['cyclists', null, {}],
    ['mankind', null, {}],
    ['persons', null, {}],
    ['twin girls', 2, { gender: 'female', age: 'young' }],
    ['twin boys', 2, { gender: 'male', age: 'young' }],
    ['twin sisters', 2, { gender: 'female' }],
    ['twin brothers', 2, { gender: 'male' }],
    ['brides to be', null, { gender: 'female' }],
    ['youths', null, { age: 'young' }],
  ] as const
).map(([noun, members, attributes]): [string, PersonEntry] => [
  noun,
  Object.freeze({
    kind: 'person',
    role: 'generic',
    noun,
    plural: true,
    members,
    rule: 'noun for people',
    ...attributes,
  }),
]);

/** Words of these tables that are also verbs, adjectives or things. */
const AMBIGUOUS = new Set(
  wordList`human, patient, adult, local, guest, line, lines, row, rows, circle, circles, staff, cast, mother, father, baby,
    crew, juvenile, adolescent, infant, elder, member, user, fan, partner, expert, baron, groom, troop, troops, pair`,
);

/** Entries by key. */
export const PERSONS: readonly (readonly [string, PersonEntry])[] = Object.freeze(
  [
    ...ROWS.flatMap(entriesOf),
    ...STEMS.flatMap((stem) => [
      ...entriesOf([[`${stem}man`], 'office', 'gendered title', { gender: 'male' }]),
      ...entriesOf([[`${stem}woman`], 'office', 'gendered title', { gender: 'female' }]),
    ]),
    ...COLLECTIVES.flatMap((row) => collectiveEntries(...row)),
    ...SPECIAL,
  ].map(
    ([key, entry]) =>
      [key, AMBIGUOUS.has(key) ? Object.freeze({ ...entry, ambiguous: true }) : entry] as const,
  ),
);
