/** What is no person though its words sound like one: animals, parts of bodies, and phrases with colours, ages or people. */

import type { Entry } from './entries.ts';
import { pluralOf, wordList } from './word_list.ts';

const ANIMALS = wordList`animal, ant, ape, bear, bee, beetle, bird, buffalo, bull, bulldog, butterfly, calf, camel, cat,
  cattle, cheetah, chick, chicken, cow, crab, crocodile, crow, cub, deer, dinosaur, dog, dolphin, donkey, dragon, duck,
  eagle, elephant, falcon, fish, flamingo, foal, fox, frog, gazelle, giraffe, goat, goose, gorilla, hamster, hawk, hen,
  hippo, horse, hound, husky, hyena, insect, jaguar, kangaroo, kitten, kitty, koala, lamb, leopard, lion, lioness, lizard,
  llama, mare, monkey, moose, mouse, octopus, orangutan, ostrich, otter, owl, ox, panda, panther, parrot, peacock, penguin,
  pet, pig, pigeon, pony, poodle, puppy, rabbit, raccoon, racoon, rat, raven, retriever, rhino, rooster, seal, shark, sheep,
  snake, sparrow, spider, squirrel, stallion, stork, swan, tiger, tigress, tortoise, turtle, unicorn, vixen, whale, wolf,
  zebra, ship, boat, vessel, german shepherd, australian shepherd, king penguin, king crab, king cobra, queen bee,
  soldier ant, emperor penguin, monarch butterfly, monk seal, black widow spider, bull terrier, saint bernard, great dane,
  black panther, clown fish, clownfish, secretary bird, spider monkey, lady bug, ladybird, sphynx cat, orca, rhinoceros`;

const BODY_PARTS = wordList`face, head, hand, eye, ear, nose, mouth, lip, smile, hair, beard, arm, leg, shoulder, back,
  finger, fist, cheek, forehead, body, skin, silhouette, profile, portrait, figure, torso, chest, neck, palm, tear,
  fingertip, knee, wrist, gaze, wrinkle, eyebrow, chin, lap, feature, expression, headshot, mustache, braid, foot, bust`;

const PHRASES = wordList`black and white, black friday, black sea, black forest, black market, black magic,
  black metal, black tie, black hole, black box, black sheep, black cat, black ice, black pepper, black tea,
  black coffee, black comedy, black cab, black gold, black death, black mamba, black sabbath, white house,
  white wine, white water, white collar, white christmas, white noise, white sea, white elephant,
  white chocolate, white coat, white hat, white lie, white tie, white goods, white gold, white rice, black coat,
  black hat, brown bread, brown sugar, brown rice, brown bear, brown paper, snow white, walter white,
  jack black, james brown, charlie brown, indian ocean, indian summer, indian food, american football,
  asian fusion, african violet, african savanna, african mask, persian carpet, persian rug, persian gulf,
  arabian sea, arabian nights, arabian horse, arabian desert, turkish bath, turkish delight, turkish coffee,
  french fries, french bread, french toast, french horn, french press, french door, french window,
  english breakfast, english garden, english horn, danish pastry, swiss cheese, swiss alps, swiss watch,
  greek salad, greek god, greek yogurt, greek mythology, roman empire, italian renaissance, spanish guitar,
  irish pub, irish coffee, scottish highlands, chinese food, chinese new year, chinese lantern, chinese zodiac,
  japanese garden, japanese maple, thai food, muay thai, thai massage, mexican food, mexican hat, latin dance,
  latin music, brazilian jiu jitsu, brazilian wax, russian roulette, russian doll, german beer, mongolian grill,
  korean barbecue, south pole, west indies, west indian, east indies, european union, african grey,
  african continent, asian elephant, indian elephant, mixed media, mixed martial arts, mixed fruit, mixed salad,
  mixed doubles, old fashioned, old school, old master, old masters, old town, old faithful, old testament,
  old world, old photo, old photograph, old friend, old friends, old time, old style, old growth, old car,
  old gold, old norse, old west, old english, years ago, old money, old guard, ancient greek, ancient roman,
  ancient egyptian, ancient rome, ancient greece, young at heart, man made, man cave, manhole, manhole cover,
  man of war, burning man, isle of man, iron man, spider man, gingerbread man, stick man, lego man, tin man,
  vitruvian man, pac man, straw man, man bun, men's room, ladies room, women's day, mother's day, father's day,
  valentine's day, children's day, mother nature, mother earth, mother tongue, mother of pearl, mother ship,
  father christmas, father time, baby blue, baby shower, baby bottle, baby carriage, baby stroller, baby carrot,
  baby carrots, baby powder, baby food, baby grand piano, baby's breath, baby pink, child's play, kid leather,
  kid gloves, kids menu, grandfather clock, grandmother clock, cowboy boots, cowboy hat, sailor moon,
  sailor suit, lady justice, lady liberty, bachelor pad, bachelor party, king size, king sized, queen size,
  queen sized, king bed, queen bed, king cake, king kong, king tide, prince edward island, prince albert,
  virgin forest, virgin islands, toy soldier, toy soldiers, tin soldier, tin soldiers, terracotta warriors,
  chess king, chess queen, rubber band, wedding band, scale model, 3d model, model train, model airplane,
  model ship, model car, clay model, car model, role model, data model, vacuum cleaner, pipe cleaner,
  pencil sharpener, hard drive, ceiling fan, electric fan, fan art, fan belt, fan club, coach bus, stage coach,
  paper cutter, cookie cutter, 3d printer, laser printer, web server, computer server, rice cooker,
  pressure cooker, computer mouse, guide book, guide dog, guard dog, guard rail, pilot light, general store,
  general motors, marine life, marine park, marine layer, nurse shark, nurse log, doctor who, doctor strange,
  dr pepper, mechanic shop, cook book, cook pot, captain america, butcher knife, butcher block, butcher shop,
  barber shop, barber pole, chef knife, chef hat, chef salad, ranger station, police car, police station,
  police tape, police dog, police box, police helicopter, human brain, human heart, human skeleton, human skull,
  human anatomy, human rights, human cell, table runner, driver's license, player piano, cd player, dvd player,
  record player, mp3 player, music player, media player, card reader, e reader, fighter jet, fighter plane,
  family tree, family car, family home, family room, family crest, family photo, group chat, staff room,
  army knife, swiss army knife, twin towers, twin beds, twin engine, twin peaks, single bed, single malt,
  voice assistant, elder tree, elder scrolls, local train, guest room, guest house, patient room, adult swim,
  adult toy, youth hostel, youth center, of all ages, all ages, age of, any gender, any age, any race,
  any ethnicity, all genders, all races, each other, one another, world war two, world war one`;

const CHESS = wordList`chess, chessboard, chess set, chess piece, chess pieces, checkers, checkmate`;

function entries(
  words: readonly string[],
  kind: 'animal' | 'body' | 'thing',
  plurals: boolean,
): [string, Entry][] {
  const entry: Entry = Object.freeze({ kind });
  return words.flatMap((word): [string, Entry][] =>
    plurals
      ? [
          [word, entry],
          [pluralOf(word), entry],
        ]
      : [[word, entry]],
  );
}

/** Entries by key. */
export const THINGS: readonly (readonly [string, Entry])[] = Object.freeze([
  ...entries(BODY_PARTS, 'body', true),
  ...entries(ANIMALS, 'animal', true),
  ...entries(
    PHRASES.map((phrase) => phrase.replaceAll('-', ' ')),
    'thing',
    false,
  ),
]);

/** Words of a game whose pieces are called king, queen, knight and bishop. */
export const CHESS_WORDS: ReadonlySet<string> = new Set(CHESS);

/** Nouns of people who deal with the animal before them; other nouns after an animal name it ('raccoon king'). */
export const ANIMAL_HANDLERS: ReadonlySet<string> = new Set(
  wordList`trainer, walker, groomer, breeder, farmer, keeper, owner, lover, rider, tamer, handler, catcher, sitter, hunter,
    rescuer, photographer, watcher, racer, jockey, herder, seller, dealer, surgeon, doctor, fighter, fisher, wrangler,
    shepherd, builder, captain, rancher, lady, worker, charmer, inspector, milker, fancier, driver, vet, veterinarian,
    technician, merchant, butcher, judge, specialist, expert, designer, maker, boy, girl, man, woman, person, people`,
);

/** Names of those pieces. */
export const CHESS_PIECES: ReadonlySet<string> = new Set(
  wordList`king, queen, knight, bishop, kings, queens, knights, bishops`,
);
