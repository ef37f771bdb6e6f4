/** 50 words that describe a person, grouped by how they show. */

import type { BackgroundKind } from '../backgrounds.ts';
import type { ClothingKind } from '../clothing.ts';
import type { PropKind } from '../props.ts';
import type { Expression } from '../scene.ts';
import type { Category } from './categories.ts';

type Row = readonly [
  name: string,
  expression: Expression,
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
  words: string,
];

// biome-ignore format: one row a line
const rows: readonly Row[] = [
  ['joy', 'laugh', 'tee', '#f2c12e', '#ffffff', 'hills', '#bfe6fa', '#8fd06a', 'kite', '#e0457b', 0.9, 0.07,
    'happy, cheerful, joyful, friendly, funny, optimistic'],
  ['sorrow', 'sad', 'hoodie', '#5f6f8f', '#9fb0c9', 'city', '#8fa0b8', '#6f8098', 'cup', '#7a8a9f', 0.4, 0.25,
    'sad, lonely, tired, worried, shy, lazy'],
  ['anger', 'angry', 'tee', '#24242c', '#d1343c', 'plain', '#e8604f', '#e8604f', 'flame', '#f25c1d', -1.4, 0.14,
    'angry, aggressive, stubborn, strict, jealous, rude'],
  ['wonder', 'surprised', 'sweater', '#7a5fd0', '#f7d447', 'night', '#4a4f9f', '#f7e08a', 'globe', '#3f86c4', 0.2, 0.04,
    'curious, surprised, imaginative, adventurous'],
  ['wealth', 'smile', 'gown', '#2a2a38', '#e8b923', 'curtains', '#f3dfb0', '#8f6a1f', 'coins', '#e8b923', -0.7, 0.36,
    'rich, successful, famous, elegant, glamorous'],
  ['hardship', 'sad', 'patched', '#8a7a66', '#b09a7f', 'wall', '#c9c3b8', '#9f978a', 'candle', '#f0e6cf', -0.3, 0.3,
    'poor, homeless, hungry, humble'],
  ['mind', 'neutral', 'sweater', '#3f6f5f', '#e6dcc0', 'shelves', '#e0d0ae', '#ab8a5a', 'book', '#3a5fb0', -1.0, 0.4,
    'smart, wise, educated, creative, thoughtful, logical'],
  ['strength', 'neutral', 'jersey', '#d1343c', '#24242c', 'stripes', '#dfe5ea', '#c3ccd5', 'dumbbell', '#4a4f5e', -1.7, 0.06,
    'strong, athletic, brave, powerful, confident'],
  ['kindness', 'smile', 'blouse', '#f29ab8', '#ffffff', 'window', '#fbe9d3', '#ffffff', 'plant', '#c96f3c', 1.5, 0.2,
    'kind, calm, patient, polite, generous, honest, gentle, caring'],
];

/** Descriptor groups in the form of categories, with the look of the group. */
export const DESCRIPTOR_CATEGORIES: readonly Category[] = rows.map((row) =>
  Object.freeze({
    name: row[0],
    look: Object.freeze({
      clothing: row[2],
      clothingColor: row[3],
      clothingAccent: row[4],
      background: row[5],
      backgroundColor: row[6],
      backgroundAccent: row[7],
      prop: row[8],
      propColor: row[9],
    }),
    genderLean: row[10],
    oldShare: row[11],
  }),
);

/** The expression that people of a descriptor group wear. */
export const DESCRIPTOR_EXPRESSIONS: Readonly<Record<string, Expression>> = Object.freeze(
  Object.fromEntries(rows.map((row) => [row[0], row[1]])),
);

/** Descriptors by group name; every word appears once. */
export const DESCRIPTORS_BY_CATEGORY: Readonly<Record<string, readonly string[]>> = Object.freeze(
  Object.fromEntries(rows.map((row) => [row[0], Object.freeze(row[12].split(', '))])),
);
