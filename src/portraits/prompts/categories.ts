/** Kinds of work: how each looks (garment, background, object, colours) and how its planted bias leans. */

import type { BackgroundKind } from '../backgrounds.ts';
import type { ClothingKind } from '../clothing.ts';
import type { PropKind } from '../props.ts';

/** The look of an occupation, sport or activity; colours are `#rrggbb`. */
export interface Look {
  readonly clothing: ClothingKind;
  readonly clothingColor: string;
  readonly clothingAccent: string;
  readonly background: BackgroundKind;
  readonly backgroundColor: string;
  readonly backgroundAccent: string;
  readonly prop: PropKind;
  readonly propColor: string;
}

/** One kind of work. */
export interface Category {
  readonly name: string;
  readonly look: Look;
  /** Leaning towards women (positive) or men (negative), roughly a logit; only its rank among entries matters. */
  readonly genderLean: number;
  /** Share of old people around which the entries of this category vary. */
  readonly oldShare: number;
}

type Row = readonly [
  name: string,
  clothing: ClothingKind,
  clothingColor: string,
  clothingAccent: string,
  background: BackgroundKind,
  backgroundColor: string,
  backgroundAccent: string,
  prop: PropKind,
  propColor: string,
  genderLean: number,
  oldShare: number,
];

// biome-ignore format: a table, one row a line
const rows: readonly Row[] = [
  ['medicine', 'coat', '#ffffff', '#3f8fc4', 'wall', '#a9dccb', '#7cbfa8', 'stethoscope', '#d33f49', -0.5, 0.22],
  ['nursing', 'scrubs', '#2aa6a0', '#ffffff', 'wall', '#f3c6d3', '#dd9fb2', 'cross', '#e0393e', 2.0, 0.1],
  ['therapy', 'tee', '#4f86d9', '#ffffff', 'window', '#d7ecd0', '#ffffff', 'clipboard', '#c9793a', 1.4, 0.1],
  ['dentistry', 'scrubs', '#7fc4e8', '#ffffff', 'tiles', '#cfeaf5', '#9fcde0', 'tooth', '#ffffff', 0.1, 0.14],
  ['pharmacy', 'coat', '#ffffff', '#3aa757', 'shelves', '#c5e8b7', '#85bd74', 'pills', '#f08a24', 0.8, 0.14],
  ['science', 'coat', '#ffffff', '#7a4fc0', 'shelves', '#cfd4f2', '#979fd6', 'flask', '#43c463', -1.1, 0.22],
  ['biology', 'coat', '#ffffff', '#3c8a4a', 'hills', '#c9ecf2', '#79b86a', 'microscope', '#5b6f8f', 0.2, 0.18],
  ['engineering', 'shirt', '#3b6fb5', '#ffffff', 'tiles', '#7fa8d9', '#b7d0ee', 'gear', '#6d7782', -2.0, 0.16],
  ['computing', 'hoodie', '#4b4f63', '#5ee0a0', 'night', '#31406e', '#7fd0ff', 'laptop', '#5ee0a0', -1.6, 0.06],
  ['statistics', 'sweater', '#d9803a', '#fff3d6', 'tiles', '#d3e6f5', '#aac7de', 'chart', '#e2572b', -0.8, 0.16],
  ['finance', 'suit', '#2f3b58', '#c9283e', 'city', '#bcd6ea', '#8aa6c4', 'coins', '#e8b923', -1.2, 0.25],
  ['management', 'suit', '#4a4a52', '#2f6fd0', 'city', '#f2cf9b', '#c99f66', 'briefcase', '#8a4f24', -1.3, 0.36],
  ['office', 'blouse', '#d777a4', '#ffffff', 'window', '#e9dff2', '#bda9d3', 'envelope', '#d14b5a', 1.5, 0.13],
  ['reception', 'blouse', '#6f5fc0', '#f5e663', 'wall', '#cfe9e9', '#8fc2c2', 'phone', '#7fd0ff', 1.7, 0.07],
  ['law', 'robe', '#24242c', '#ffffff', 'shelves', '#d8b48a', '#a9794a', 'gavel', '#8a4a20', -0.9, 0.38],
  ['policing', 'uniform', '#27457f', '#f0c33c', 'city', '#9fb9d8', '#6b87ab', 'badge', '#2f62b5', -1.9, 0.12],
  ['military', 'uniform', '#5c6b3c', '#d9b44a', 'mountains', '#dcd3b2', '#a8a174', 'badge', '#8a6d1f', -2.3, 0.14],
  ['firefighting', 'hivis', '#b3261e', '#f7d000', 'wall', '#f5b27a', '#c96f3c', 'flame', '#f25c1d', -2.1, 0.08],
  ['teaching', 'sweater', '#4c9a5b', '#f4efc8', 'board', '#f0e2bd', '#2f6b4a', 'book', '#d1483f', 1.2, 0.2],
  ['academia', 'suit', '#6b4a35', '#3f8a5a', 'board', '#d9d2c0', '#3a4a5c', 'book', '#3a5fb0', -0.8, 0.4],
  ['childcare', 'tee', '#f2a541', '#ffffff', 'stripes', '#fde7a9', '#f9cf6f', 'teddy', '#b97a45', 2.3, 0.08],
  ['socialwork', 'sweater', '#b565a7', '#f7d9ee', 'window', '#f4dcc4', '#ffffff', 'cup', '#4c9a8a', 1.3, 0.16],
  ['writing', 'sweater', '#3f5f6f', '#d9c9a3', 'shelves', '#e5cda6', '#b58f5f', 'pencil', '#f2b632', 0.2, 0.24],
  ['library', 'sweater', '#8a6fb0', '#efe3f7', 'shelves', '#cfe0c3', '#8fab7c', 'book', '#7a3fa0', 1.5, 0.3],
  ['art', 'apron', '#f2f2f2', '#5b7fd0', 'plain', '#f6d7e6', '#f6d7e6', 'palette', '#d9a066', -0.2, 0.2],
  ['design', 'tee', '#26262c', '#ffffff', 'tiles', '#f7e27e', '#e6c53d', 'pencil', '#e5487f', 0.4, 0.08],
  ['music', 'vest', '#7a1f3d', '#ffffff', 'curtains', '#f3c99a', '#a3243b', 'guitar', '#d98a3a', -1.0, 0.16],
  ['singing', 'gown', '#8a2fb0', '#f7d447', 'curtains', '#c9b3f0', '#5b3a9f', 'microphone', '#9aa3ad', 0.5, 0.12],
  ['theater', 'vest', '#1f1f28', '#f2efe6', 'curtains', '#f5d76e', '#8f1f2f', 'mask', '#f5f0d8', 0.0, 0.15],
  ['film', 'tee', '#3c3c46', '#ffffff', 'curtains', '#aeb9cf', '#3a4058', 'camera', '#4a4f5e', -1.1, 0.14],
  ['broadcasting', 'suit', '#2f6fa8', '#f2a541', 'city', '#c8b7e8', '#9a83cc', 'microphone', '#3a3f4a', -0.1, 0.2],
  ['fashion', 'blouse', '#e0457b', '#2b2b33', 'stripes', '#f9d5e0', '#f2b3c7', 'spool', '#e0457b', 1.3, 0.1],
  ['beauty', 'apron', '#ffffff', '#c64fa5', 'tiles', '#f8cfe4', '#e9a5c9', 'scissors', '#c64fa5', 1.9, 0.05],
  ['barbering', 'tee', '#ffffff', '#2f62b5', 'stripes', '#dfe8f2', '#e39a9a', 'comb', '#2f62b5', -1.5, 0.12],
  ['cooking', 'chef', '#ffffff', '#3a3a44', 'tiles', '#f7d8a8', '#e3b577', 'pan', '#4a4f5e', -1.0, 0.13],
  ['baking', 'apron', '#f7e3c3', '#d1703c', 'shelves', '#fbe3c0', '#d9a86c', 'bread', '#c9863d', 0.3, 0.15],
  ['serving', 'vest', '#24242c', '#ffffff', 'window', '#d9c3a5', '#8a5f3f', 'cup', '#b5452f', 0.6, 0.05],
  ['bar', 'vest', '#5a2a3a', '#f2efe6', 'shelves', '#5b4a63', '#b58a5f', 'glass', '#a3243b', -0.5, 0.06],
  ['cleaning', 'apron', '#7fb7d9', '#ffffff', 'wall', '#dff0e6', '#aacfb8', 'broom', '#e6b83a', 1.1, 0.24],
  ['farming', 'overalls', '#c7503f', '#3f5fa0', 'fence', '#bfe3f5', '#c9a25f', 'wheat', '#e0b32f', -1.6, 0.35],
  ['animals', 'tee', '#7a9f3f', '#ffffff', 'fence', '#d3ecb8', '#a9824f', 'paw', '#8a5a2f', 0.7, 0.12],
  ['gardening', 'overalls', '#f0d36b', '#4c8a3f', 'hills', '#cdeafa', '#6fae4f', 'plant', '#c96f3c', -0.4, 0.28],
  ['forestry', 'hivis', '#3f7a3a', '#f28c28', 'mountains', '#cfe8d8', '#5f9a68', 'tree', '#2f8a3c', -1.9, 0.2],
  ['sailing', 'uniform', '#f5f7fa', '#2f5fa0', 'sea', '#bfe6fa', '#3f86c4', 'anchor', '#2a3f6f', -1.9, 0.3],
  ['fishing', 'overalls', '#3f6f7a', '#f2c12e', 'sea', '#d5e8ea', '#4f9aa0', 'fish', '#e2793a', -1.8, 0.33],
  ['construction', 'hivis', '#f28c28', '#f5f03a', 'factory', '#cfd6dd', '#a5adb8', 'brick', '#b8492f', -2.3, 0.18],
  ['surveying', 'hivis', '#e6d52f', '#9aa3ad', 'mountains', '#f3e0b8', '#c9ab6f', 'helmet', '#f2b21f', -1.6, 0.2],
  ['carpentry', 'overalls', '#d9b38a', '#7a5230', 'wall', '#e6c79a', '#b58a58', 'saw', '#a35a24', -2.2, 0.3],
  ['mechanics', 'overalls', '#8a93a0', '#2f5fb0', 'factory', '#b9c4cf', '#8591a0', 'wrench', '#707b88', -2.3, 0.18],
  ['electrics', 'overalls', '#e6e6ea', '#c9482f', 'factory', '#d6d0ea', '#a89fcb', 'bolt', '#f7c51f', -2.0, 0.17],
  ['metalwork', 'apron', '#4a4f5e', '#8a5a2f', 'factory', '#e0a878', '#a86a45', 'hammer', '#5a6470', -2.1, 0.28],
  ['manufacturing', 'overalls', '#b5c0cc', '#4a6a8a', 'factory', '#dfe3e8', '#a9b4c0', 'factory', '#7a4f3f', -0.9, 0.2],
  ['mining', 'hivis', '#3f4a5a', '#f2c12e', 'mountains', '#a58a72', '#6f5a4a', 'pickaxe', '#7a828c', -2.2, 0.2],
  ['driving', 'shirt', '#5fa0c9', '#ffffff', 'city', '#e4e9c8', '#b0b98a', 'wheel', '#33363f', -1.8, 0.26],
  ['aviation', 'uniform', '#1f2f5a', '#f0c33c', 'plain', '#8fcdf5', '#8fcdf5', 'plane', '#f0f3f7', -1.4, 0.2],
  ['railway', 'uniform', '#7a2f3a', '#f0c33c', 'hills', '#d8e3ea', '#93a36b', 'train', '#c23a3a', -1.6, 0.24],
  ['delivery', 'tee', '#8a5a2f', '#f2c12e', 'city', '#f0dcc0', '#cda878', 'parcel', '#c08a4f', -1.2, 0.08],
  ['retail', 'tee', '#d1483f', '#ffffff', 'shelves', '#fde2d0', '#e8ab87', 'bag', '#3fa06f', 0.5, 0.09],
  ['property', 'suit', '#3f7a7a', '#f5e6b8', 'hills', '#e3f1fa', '#a9cf8a', 'house', '#c9482f', -0.1, 0.24],
  ['religion', 'robe', '#5a4a7a', '#f0dfa0', 'window', '#cdbfa8', '#f2b84b', 'candle', '#f7f0dc', -1.5, 0.4],
  ['coaching', 'jersey', '#2f8a4f', '#ffffff', 'field', '#bfe3f2', '#6fb35f', 'whistle', '#e33b3b', -1.0, 0.18],
  ['travel', 'shirt', '#c9a25f', '#ffffff', 'mountains', '#c8e6f7', '#8fb59a', 'map', '#e2572b', 0.3, 0.12],
  ['politics', 'suit', '#1f2f4a', '#b3262f', 'curtains', '#e8e3d3', '#39598f', 'globe', '#3f86c4', -1.2, 0.4],
  ['magic', 'robe', '#3a2a6f', '#f2c12e', 'night', '#4a3a7a', '#f7e08a', 'crystal', '#9fd8f5', 0.2, 0.3],
];

/** Every kind of work, in a fixed order. */
export const CATEGORIES: readonly Category[] = rows.map((row) =>
  Object.freeze({
    name: row[0],
    look: Object.freeze({
      clothing: row[1],
      clothingColor: row[2],
      clothingAccent: row[3],
      background: row[4],
      backgroundColor: row[5],
      backgroundAccent: row[6],
      prop: row[7],
      propColor: row[8],
    }),
    genderLean: row[9],
    oldShare: row[10],
  }),
);

const byName = new Map(CATEGORIES.map((category) => [category.name, category]));

/** The category called `name`; throws Error with the name when there is none. */
export function categoryNamed(name: string): Category {
  const category = byName.get(name);
  if (!category) throw new Error(`Prompt category: expected one of ${[...byName.keys()]}, got '${name}'`);
  return category;
}
