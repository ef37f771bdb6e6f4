/** Lays out scenes: people, object and background for a prompt, with everything left open drawn from a seed. */

import { CATEGORIES, type Look } from './prompts/categories.ts';
import type { PromptEntry } from './prompts/index.ts';
import { PROP_KINDS, type PropKind } from './props.ts';
import { randomStream } from './random.ts';
import {
  type Attributes,
  EXPRESSIONS,
  type Expression,
  freezeScene,
  type Person,
  type Pose,
  type Prop,
  type Scene,
} from './scene.ts';
import type { StyleKind } from './styles.ts';

/** What `sampleScene` draws. */
export interface SceneRequest {
  /** Look, style and expression; null draws people in plain clothes before a plain wall, without an object. */
  readonly entry: PromptEntry | null;
  /** One to three people, from left to right. */
  readonly people: readonly Attributes[];
  /** Settles faces, poses, expressions and colours (any integer). */
  readonly seed: number;
}

/** Object words for captions of scenes without people; kinds that aren't named here are called by their own name. */
const PROP_NAMES: Readonly<Partial<Record<PropKind, string>>> = {
  cross: 'first aid sign',
  pills: 'bottle of pills',
  coins: 'pair of coins',
  teddy: 'teddy bear',
  spool: 'spool of thread',
  glass: 'glass of wine',
  wheat: 'stalk of wheat',
  paw: 'paw print',
  plant: 'potted plant',
  brick: 'brick wall',
  bolt: 'lightning bolt',
  wheel: 'steering wheel',
  bag: 'shopping bag',
  bread: 'loaf of bread',
  mask: 'theater mask',
  crystal: 'crystal ball',
  pan: 'frying pan',
  soccer: 'soccer ball',
  volleyball: 'volleyball',
  football: 'American football',
  paddle: 'table tennis paddle',
  bat: 'baseball bat',
  hockey: 'hockey stick',
  golf: 'golf flag',
  glove: 'boxing glove',
  skis: 'pair of skis',
  skate: 'roller skate',
  board: 'surfboard',
  paddleboat: 'canoe',
  sail: 'sailing boat',
  waves: 'row of waves',
  goggles: 'pair of goggles',
  bow: 'bow and arrow',
  foil: 'sword',
  mat: 'yoga mat',
  rope: 'coil of rope',
  chess: 'chess pawn',
  dice: 'die',
  cards: 'pair of playing cards',
  bowling: 'bowling ball',
  disc: 'frisbee',
};

const PLAIN_BACKGROUNDS = ['#8ec6e6', '#9ad1b0', '#c6b3e6', '#f0d36b', '#7fb7b2', '#e8b3a0', '#b8c26b'];
const PLAIN_CLOTHES = [
  '#d1483f',
  '#3f77b8',
  '#3f9b5a',
  '#f2c14e',
  '#7a4fa8',
  '#f5f5f5',
  '#3a3f4a',
  '#e0457b',
];

/** The words for an object, such as `loaf of bread`. */
export function propName(kind: PropKind): string {
  return PROP_NAMES[kind] ?? kind;
}

function plainLook(seed: number): Look {
  const draw = randomStream('plain look', seed);
  return {
    clothing: draw.choose(['tee', 'sweater', 'shirt', 'hoodie'] as const),
    clothingColor: draw.choose(PLAIN_CLOTHES),
    clothingAccent: draw.choose(PLAIN_CLOTHES),
    background: 'plain',
    backgroundColor: draw.choose(PLAIN_BACKGROUNDS),
    backgroundAccent: '#ffffff',
    prop: 'book',
    propColor: '#ffffff',
  };
}

/** Face centre, height and spread for one, two or three people (canvas units); props stand at the lower right. */
const PLACES = [
  [{ x: 27, y: 29.5, height: 34 }],
  [
    { x: 17, y: 32, height: 25 },
    { x: 47, y: 32, height: 25 },
  ],
  [
    { x: 11.5, y: 34, height: 18.5 },
    { x: 32, y: 30, height: 18.5 },
    { x: 52.5, y: 34, height: 18.5 },
  ],
] as const;

function poseAt(place: { x: number; y: number; height: number }, key: number, slot: number): Pose {
  const draw = randomStream('pose', key, slot);
  const reach = place.height / 34;
  return {
    x: place.x + reach * draw.between(-2, 2),
    y: place.y + reach * draw.between(-1.5, 1.5),
    height: place.height * draw.between(0.94, 1.06),
    tilt: draw.between(-5, 5),
  };
}

function expressionFor(entry: PromptEntry | null, key: number, slot: number): Expression {
  if (entry?.expression) return entry.expression;
  const draw = randomStream('expression', key, slot);
  return EXPRESSIONS[draw.weighted([0.42, 0.46, 0.12])]!;
}

/** Draws a scene with people; the same request always gives the same scene. Throws RangeError for 0 or more than 3. */
export function sampleScene({ entry, people, seed }: SceneRequest): Scene {
  const places = PLACES[people.length - 1];
  if (!places) throw new RangeError(`Scene: expected 1 to 3 people, got ${people.length}`);
  const look = entry?.look ?? plainLook(seed);
  const placed: Person[] = people.map((attributes, slot) => {
    const own = entry ? look : plainLook(seed + slot);
    return {
      gender: attributes.gender,
      race: attributes.race,
      age: attributes.age,
      variation: randomStream('variation', seed, slot).integer(0x7fffffff),
      expression: expressionFor(entry, seed, slot),
      clothing: { kind: own.clothing, color: own.clothingColor, accent: own.clothingAccent },
      pose: poseAt(places[slot]!, seed, slot),
    };
  });
  const props: Prop[] = [];
  if (entry && people.length < 3) {
    const draw = randomStream('prop', seed);
    const single = people.length === 1;
    props.push({
      kind: look.prop,
      color: look.propColor,
      x: (single ? 51.5 : 32) + draw.between(-1.2, 1.2),
      y: (single ? 50.5 : 53.5) + draw.between(-1.2, 1.2),
      size: single ? 21 : 15,
    });
  }
  return freezeScene({
    people: placed,
    props,
    background: { kind: look.background, color: look.backgroundColor, accent: look.backgroundAccent },
    style: entry?.style ?? 'photo',
  });
}

/** Draws a scene without people: one large object before the background of a randomly chosen kind of work. */
export function sampleEmptyScene(seed: number, style: StyleKind = 'photo'): Scene {
  const draw = randomStream('empty scene', seed);
  const kind = draw.choose(PROP_KINDS);
  const colored = draw.choose(CATEGORIES).look.propColor;
  const { look } = draw.choose(CATEGORIES);
  return freezeScene({
    people: [],
    props: [
      {
        kind,
        color: colored,
        x: 32 + draw.between(-4, 4),
        y: 34 + draw.between(-4, 4),
        size: draw.between(28, 38),
      },
    ],
    background: { kind: look.background, color: look.backgroundColor, accent: look.backgroundAccent },
    style,
  });
}
