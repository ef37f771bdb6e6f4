import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { appearanceOf, HAIRSTYLES, SKIN_COLORS } from './appearance.ts';
import { articleFor, captionWeights, sampleCaptionedScene, sharpenPlanted } from './captions.ts';
import { sampleEmptyScene, sampleScene } from './compose.ts';
import { type DatasetRecord, openDataset, renderDataset } from './dataset.ts';
import { drawScene, rasterizeScene } from './draw.ts';
import { faceBox, placePoint } from './head.ts';
import { findPrompt, type PromptEntry, plantedDistribution, promptEntries } from './prompts/index.ts';
import { randomStream } from './random.ts';
import { freezeScene, GROUP_COUNT, groupAttributes, groupIndex, RACES, type Race } from './scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'portraits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function rgb(color: string): readonly number[] {
  return [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16));
}

describe('randomStream', () => {
  it('is reproducible, independent of other streams, and uniform', () => {
    const first = randomStream('a', 1);
    const values = Array.from({ length: 20000 }, () => first.uniform());
    const again = randomStream('a', 1);
    expect(values.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => again.uniform()));
    expect(randomStream('a', 2).uniform()).not.toBe(values[0]);
    const buckets = new Array<number>(10).fill(0);
    for (const value of values) buckets[Math.floor(value * 10)]! += 1;
    const chiSquared = buckets.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquared).toBeLessThan(27.9);
  });

  it('draws neighbouring seeds without correlation', () => {
    let sum = 0;
    for (let seed = 0; seed < 5000; seed++) {
      sum += (randomStream('x', seed).uniform() - 0.5) * (randomStream('x', seed + 1).uniform() - 0.5);
    }
    expect(Math.abs(sum / 5000) * 12).toBeLessThan(4 / Math.sqrt(5000));
  });
});

describe('groups', () => {
  it('number gender-major, then race, then age', () => {
    for (let group = 0; group < GROUP_COUNT; group++) expect(groupIndex(groupAttributes(group))).toBe(group);
    expect(groupAttributes(3)).toEqual({ gender: 'female', race: 'asian', age: 'old' });
    expect(() => groupAttributes(16)).toThrow(/16/);
  });

  it('share no hairstyle between genders or races', () => {
    const all = Object.values(HAIRSTYLES).flatMap((byRace) =>
      RACES.flatMap((race) => byRace[race].map((style) => `${style.front}/${style.back}`)),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  it('show their race by the colour of the nose bridge in every plain picture', () => {
    const nearest = (color: readonly number[]): Race => {
      const distance = (race: Race): number =>
        Math.min(
          ...SKIN_COLORS[race].map((skin) =>
            rgb(skin).reduce((sum, value, c) => sum + (value - color[c]!) ** 2, 0),
          ),
        );
      return [...RACES].sort((a, b) => distance(a) - distance(b))[0]!;
    };
    for (let group = 0; group < GROUP_COUNT; group++) {
      for (let seed = 0; seed < 6; seed++) {
        const scene = sampleScene({ entry: null, people: [groupAttributes(group)], seed });
        const { pixels, faces } = rasterizeScene(scene);
        const [x, y] = placePoint(scene.people[0]!.pose, 200, 350).map(Math.floor) as [number, number];
        const color = [...pixels.subarray((y * 64 + x) * 3, (y * 64 + x) * 3 + 3)];
        expect(nearest(color)).toBe(faces[0]!.attributes.race);
      }
    }
  });
});

describe('scenes', () => {
  const entry = findPrompt('a photo of the face of a nurse, a person') as PromptEntry;

  it('are drawn to the same bytes every time', () => {
    const draw = (): string =>
      Buffer.from(
        rasterizeScene(sampleScene({ entry, people: [groupAttributes(5)], seed: 9 })).pixels,
      ).toString('base64');
    expect(draw()).toBe(draw());
  });

  it('are frozen all the way down', () => {
    const scene = sampleScene({ entry, people: [groupAttributes(5)], seed: 9 });
    expect(
      Object.isFrozen(scene) && Object.isFrozen(scene.people[0]!.pose) && Object.isFrozen(scene.props[0]),
    ).toBe(true);
  });

  it('put the head outline where the box says, at any size', () => {
    const base = sampleScene({ entry: null, people: [groupAttributes(8)], seed: 4 });
    const person = {
      ...base.people[0]!,
      pose: { x: 32, y: 32, height: 40, tilt: 0 },
      expression: 'neutral' as const,
    };
    const { face, halfWidth } = appearanceOf(person, person.variation);
    const [x0, y0, x1, y1] = faceBox(person.pose, halfWidth);
    expect([x0, y0, x1, y1].map((value) => Math.round(value * 100))).toEqual([
      Math.round((32 - halfWidth / 10) * 100),
      1200,
      Math.round((32 + halfWidth / 10) * 100),
      5200,
    ]);
    const scene = freezeScene({
      ...base,
      people: [person],
      background: { ...base.background, color: '#00ff00' },
    });
    const { pixels } = rasterizeScene(scene, 256);
    const skin = rgb(face.body.color);
    const isSkin = (x: number, y: number): boolean =>
      skin.every((value, c) => Math.abs(value - pixels[(y * 256 + x) * 3 + c]!) < 8);
    // At the height of the nose the cheeks end at the outline (ears and hair lie higher).
    const row = Math.round((placePoint(person.pose, 200, 392)[1] / 64) * 256);
    const columns = Array.from({ length: 256 }, (_, x) => x).filter((x) => isSkin(x, row));
    expect(columns[0]! / 4).toBeGreaterThanOrEqual(x0 - 0.5);
    expect(columns.at(-1)! / 4).toBeLessThanOrEqual(x1 + 0.5);
    expect((columns.at(-1)! - columns[0]!) / 4).toBeGreaterThan((x1 - x0) * 0.85);
  });

  it('give 45 to 60% of the height to a single face, and order several from left to right', () => {
    for (let seed = 0; seed < 50; seed++) {
      const one = rasterizeScene(sampleScene({ entry, people: [groupAttributes(seed % 16)], seed }), 64);
      const [, top, , bottom] = one.faces[0]!.box;
      expect((bottom - top) / 64).toBeGreaterThan(0.45);
      expect((bottom - top) / 64).toBeLessThan(0.6);
      const three = rasterizeScene(sampleScene({ entry, people: [2, 9, 15].map(groupAttributes), seed }));
      expect(three.faces.map((face) => groupIndex(face.attributes))).toEqual([2, 9, 15]);
      expect(three.faces[0]!.box[2]).toBeLessThan(three.faces[1]!.box[0]);
    }
  });

  it('keep the gradients of two heads apart', () => {
    const people = [groupAttributes(12), groupAttributes(13)];
    for (let seed = 0; seed < 40; seed++) {
      const ids = [...drawScene(sampleScene({ entry, people, seed })).svg.matchAll(/ id="([^"]+)"/g)].map(
        (m) => m[1],
      );
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('refuse wrong sizes and crowds', () => {
    expect(() => rasterizeScene(sampleEmptyScene(1), 0)).toThrow(/positive integer/);
    expect(() => sampleScene({ entry, people: [], seed: 1 })).toThrow(/1 to 3/);
  });
});

describe('captions', () => {
  it('repeat by seed and index', () => {
    expect(sampleCaptionedScene(3, 17)).toEqual(sampleCaptionedScene(3, 17));
    expect(sampleCaptionedScene(3, 18).caption).not.toBe(sampleCaptionedScene(4, 18).caption);
  });

  it('say what they show when they name attributes', () => {
    const only = { weights: { several: 0, nobody: 0 }, explicitRate: 1 };
    for (let index = 0; index < 1500; index++) {
      const { caption, scene, explicit } = sampleCaptionedScene(5, index, only);
      const { gender, race, age } = scene.people[0]!;
      const names = caption.toLowerCase();
      if (explicit.gender)
        expect(names).toMatch(gender === 'female' ? /\b(female|woman)\b/ : /\b(male|man)\b/);
      if (explicit.age)
        expect(names).toMatch(age === 'old' ? /\b(old|older|elderly)\b/ : /\b(young|younger)\b/);
      const words = {
        wmelh: /white|latino|middle eastern|caucasian|hispanic/,
        asian: /\b(asian|east asian|southeast asian)\b/,
        black: /black|african/,
        indian: /indian|south asian/,
      };
      if (explicit.race) expect(names).toMatch(words[race]);
      expect(explicit.gender || explicit.race || explicit.age).toBe(true);
    }
  });

  it('draw named attributes evenly and silent ones as planted', () => {
    const count = 6000;
    const silent = {
      weights: { sport: 0, styled: 0, descriptor: 0, person: 0, several: 0, nobody: 0 },
      explicitRate: 0,
    };
    let female = 0;
    let expected = 0;
    for (let index = 0; index < count; index++) {
      const { scene, promptEntry } = sampleCaptionedScene(6, index, silent);
      female += scene.people[0]!.gender === 'female' ? 1 : 0;
      expected += plantedDistribution(promptEntry!)
        .slice(0, 8)
        .reduce((sum, weight) => sum + weight, 0);
    }
    expect(Math.abs(female - expected) / count).toBeLessThan(4 * (0.5 / Math.sqrt(count)));
    const races = new Map<Race, number>();
    let named = 0;
    for (let index = 0; index < count; index++) {
      const { scene, explicit } = sampleCaptionedScene(6, index, { ...silent, explicitRate: 1 });
      if (!explicit.race) continue;
      named += 1;
      races.set(scene.people[0]!.race, (races.get(scene.people[0]!.race) ?? 0) + 1);
    }
    for (const race of RACES) expect(Math.abs(races.get(race)! / named - 0.25)).toBeLessThan(0.03);
  });

  it('name each attribute as often as asked', () => {
    const options = {
      weights: { several: 0, nobody: 0 },
      explicitRate: 1,
      namedRates: { gender: 0.2, race: 0, age: 0.9 },
    };
    const count = 3000;
    const named = { gender: 0, race: 0, age: 0 };
    for (let index = 0; index < count; index++) {
      const { explicit } = sampleCaptionedScene(7, index, options);
      for (const name of ['gender', 'race', 'age'] as const) if (explicit[name]) named[name]++;
    }
    // One caption in .2 x .9 + .2 x .1 + .8 x .9 = .92 names something; the others are drawn again.
    const within = 4 * Math.sqrt((0.9 * 0.1) / count);
    expect(Math.abs(named.age / count - 0.9 / 0.92)).toBeLessThan(within);
    expect(Math.abs(named.gender / count - 0.2 / 0.92)).toBeLessThan(within);
    expect(named.race).toBe(0);
    const none = { ...options, namedRates: { gender: 0, race: 0, age: 0 } };
    expect(() => sampleCaptionedScene(7, 0, none)).toThrow('expected at least one attribute above 0');
  });

  it.each(['train', 'test'] as const)('use only the %s split when asked, and both otherwise', (split) => {
    const seen = new Set<string>();
    for (let index = 0; index < 300; index++) {
      expect(sampleCaptionedScene(1, index, { split }).promptEntry?.split ?? split).toBe(split);
      const open = sampleCaptionedScene(1, index).promptEntry;
      if (open) seen.add(open.split);
    }
    expect([...seen].sort()).toEqual(['test', 'train']);
  });

  it.each([
    ['engineer', 'an'],
    ['old man', 'an'],
    ['nurse', 'a'],
  ])('writes the article of %s', (phrase, article) => {
    expect(articleFor(phrase)).toBe(article);
  });
});

describe('captionWeights', () => {
  it('gives kinds as they are and names one that there is not', () => {
    expect(captionWeights({ styled: 2 })).toEqual({ styled: 2 });
    expect(() => captionWeights({ styled: 2, style: 1 })).toThrow('received style');
  });

  it('decides what is drawn', () => {
    const weights = { occupation: 0, sport: 0, styled: 0, descriptor: 1, person: 0, several: 0, nobody: 0 };
    for (let i = 0; i < 10; i++) expect(sampleCaptionedScene(3, i, { weights }).kind).toBe('descriptor');
  });
});

describe('sharpenPlanted', () => {
  const table = plantedDistribution(promptEntries('occupation')[0]!);

  it('is the identity at 1 and uniform at 0', () => {
    sharpenPlanted(table, 1).forEach((weight, group) => {
      expect(weight).toBeCloseTo(table[group]!, 12);
    });
    for (const weight of sharpenPlanted(table, 0)) expect(weight).toBeCloseTo(1 / 16, 12);
  });

  it('raises the odds of each attribute to the exponent', () => {
    const female = (values: Float64Array): number =>
      values.slice(0, 8).reduce((sum, weight) => sum + weight, 0);
    const odds = female(table) / (1 - female(table));
    const sharpened = female(sharpenPlanted(table, 0.5));
    expect(sharpened / (1 - sharpened)).toBeCloseTo(odds ** 0.5, 10);
    expect(() => sharpenPlanted(table, -1)).toThrow(/-1/);
  });
});

describe('data sets', () => {
  it('hold what the sequence says, survive an interruption and grow', async () => {
    const small = await renderDataset({ seed: 2, count: 30, directory: folder });
    const { scene, caption } = sampleCaptionedScene(2, 29);
    expect(small.record(29).caption).toBe(caption);
    expect(small.pixels(29)).toEqual(rasterizeScene(scene).pixels);
    expect(small.record(29).faces.map((face) => groupIndex(face.attributes))).toEqual(
      scene.people.map(groupIndex),
    );
    const shard = join(small.directory, 'shard-00000.bin');
    truncateSync(shard, 1000);
    expect(() => openDataset(small.directory, 30)).toThrow(/shard-00000/);
    const progress: number[] = [];
    const grown = await renderDataset({
      seed: 2,
      count: 40,
      directory: folder,
      onProgress: (done) => progress.push(done),
    });
    expect(progress).toEqual([0, 40]);
    expect(grown.pixels(29)).toEqual(small.pixels(29));
    expect(grown.record(39).index).toBe(39);
    const lines = readFileSync(join(small.directory, 'shard-00000.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as DatasetRecord).index)).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    );
    expect(() => grown.pixels(40)).toThrow(/0\.\.39/);
    await expect(
      renderDataset({ seed: 2, count: 5, directory: folder, captions: { explicitRate: 0.1 } }),
    ).rejects.toThrow(/options/);
  }, 300_000);
});
