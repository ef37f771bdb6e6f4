import { describe, expect, it } from 'vitest';
import { SAME_COLOR, type View, writeView } from '../../data/augmentation.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import { alignmentGather, FACE_TEMPLATE } from '../../faces/alignment.ts';
import { cropMatrices, faceWindow } from '../../faces/crop.ts';
import { sampleCaptionedScene } from '../captions.ts';
import { drawnScenes } from '../measurements/drawn_scenes.ts';
import { faceCrops } from './classifier.ts';
import { annotationsInView } from './detector.ts';
import { alignedView, samePersonElsewhere, secondPictures } from './embedder.ts';
import { faceLabels, facesByGroup, faceView, singleFaces } from './faces.ts';
import { imageBatch } from './vae.ts';

const captions = { guidanceCalibration: 0, weights: { nobody: 0, several: 0 } };
const data = drawnScenes(77, 40, captions);
const faces = singleFaces(data);
const picture = (index: number) => ({ width: data.size, height: data.size, pixels: data.pixels(index) });

/** Largest absolute difference. */
function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe('faces as examples', () => {
  it('are sorted into groups that agree with their labels', () => {
    const groups = facesByGroup(faces);
    expect(groups.flat()).toHaveLength(40);
    groups.forEach((group, number) => {
      const { gender, race, age } = faceLabels(group);
      group.forEach((_, i) => {
        expect((gender![i]! * 4 + race![i]!) * 2 + age![i]!).toBe(number);
      });
    });
  });

  it('are cropped as the detector side of the pipeline crops them', () => {
    const side = 96;
    for (const { index, face } of faces.slice(0, 4)) {
      const view = new Float32Array(3 * side * side);
      writeView(view, 0, side, picture(index), faceView(face.box), SAME_COLOR);
      const size = { width: data.size, height: data.size };
      const { rows, columns } = cropMatrices([faceWindow(face.box)], size, { side });
      const planes = imageBatch(data, [index]);
      const crop = new Float32Array(3 * side * side);
      for (let channel = 0; channel < 3; channel++) {
        for (let i = 0; i < side; i++) {
          for (let j = 0; j < side; j++) {
            let sum = 0;
            for (let y = 0; y < 64; y++) {
              const weight = rows[i * 64 + y]!;
              if (weight === 0) continue;
              for (let x = 0; x < 64; x++) {
                const across = columns[x * side + j]!;
                if (across !== 0) sum += weight * across * (planes[(channel * 64 + y) * 64 + x]! + 1);
              }
            }
            crop[(channel * side + i) * side + j] = sum - 1;
          }
        }
      }
      expect(distance(view, crop)).toBeLessThan(1e-4);
    }
  });

  it('are aligned as the embedder side of the pipeline aligns them', () => {
    const side = 48;
    const random = createGenerator({ seed: 1 });
    for (const { index, face } of faces.slice(0, 4)) {
      const view = new Float32Array(3 * side * side);
      writeView(view, 0, side, picture(index), alignedView(face, side, 0, random), SAME_COLOR);
      const { indices, weights } = alignmentGather([face], { width: 64, height: 64 }, side);
      const planes = imageBatch(data, [index]);
      const aligned = new Float32Array(3 * side * side).fill(-1);
      for (let channel = 0; channel < 3; channel++) {
        for (let at = 0; at < indices.length; at++) {
          const value = planes[channel * 64 * 64 + indices[at]!]! + 1;
          aligned[channel * side * side + (at % (side * side))]! += weights[at]! * value;
        }
      }
      expect(distance(view, aligned)).toBeLessThan(1e-4);
    }
  });
});

describe('annotations of a view', () => {
  const whole: View = { x: 32, y: 32, size: 64, angle: 0, mirrored: false };

  it('are the truth in the whole view, and mirrored with left and right changed in the mirrored one', () => {
    const { face } = faces[0]!;
    const [plain] = annotationsInView([face], whole, 64);
    face.box.forEach((value, i) => {
      expect(plain!.box[i]).toBeCloseTo(value, 9);
    });
    face.landmarks.flat().forEach((value, i) => {
      expect(plain!.landmarks![i]).toBeCloseTo(value, 9);
    });
    const [mirrored] = annotationsInView([face], { ...whole, mirrored: true }, 64);
    const [left, right] = face.landmarks as unknown as [number, number][];
    expect(mirrored!.landmarks![0]).toBeCloseTo(64 - right![0], 9);
    expect(mirrored!.landmarks![2]).toBeCloseTo(64 - left![0], 9);
    expect(mirrored!.landmarks![0]!).toBeLessThan(mirrored!.landmarks![2]!);
    expect(mirrored!.box[0]).toBeCloseTo(64 - face.box[2], 9);
  });

  it('leave out faces whose centres lie outside', () => {
    const { face } = faces[0]!;
    expect(annotationsInView([face], { ...whole, x: 32 + 64 }, 64)).toEqual([]);
  });
});

describe('mixtures of faces', () => {
  it('are of two classes of one attribute, each attribute about as often', () => {
    const pictures = drawnScenes(78, 400, captions);
    const groups = facesByGroup(singleFaces(pictures));
    const batch = Array.from({ length: 90 }, (_, i) => groups[i % 16]![Math.floor(i / 16) % 2]!);
    const still = { shift: 0, zoom: 1, angle: 0, mirror: 0, color: 0 };
    const variation = {
      augmentation: still,
      degradation: { probability: 0, resolution: 1, noise: 0 },
      mixing: { probability: 1 },
    };
    const labels = faceLabels(batch);
    const counts = { gender: 0, race: 0, age: 0 };
    let unmixed = 0;
    for (let seed = 0; seed < 4; seed++) {
      const random = createGenerator({ seed });
      const { image, mixture } = faceCrops(pictures, batch, 24, variation, random);
      expect(image).toHaveLength(90 * 3 * 24 * 24);
      mixture.partners.forEach((partner, i) => {
        const different = (['gender', 'race', 'age'] as const).filter(
          (name) => labels[name]![i] !== labels[name]![partner],
        );
        expect(different).toHaveLength(partner === i ? 0 : 1);
        if (partner === i) unmixed++;
        else counts[different[0]!]++;
      });
    }
    // The last 10 of 90 are no whole round of groups: some of their partners are missing.
    expect(unmixed).toBeLessThan(40);
    for (const count of Object.values(counts)) expect(Math.abs(count - 110)).toBeLessThan(35);
  });
});

describe('the same person elsewhere', () => {
  it('keeps who it is and changes the surroundings', () => {
    for (let index = 0; index < 8; index++) {
      const { scene } = sampleCaptionedScene(77, index, captions);
      const other = samePersonElsewhere(scene, captions, index);
      const [person, again] = [scene.people[0]!, other.people[0]!];
      const who = ({ gender, race, age, variation }: typeof person) => [gender, race, age, variation];
      expect(who(again)).toEqual(who(person));
      expect(again.pose).not.toEqual(person.pose);
    }
    const second = secondPictures({ seed: 77, captions }, 64);
    expect(second(3).face.attributes).toEqual(data.record(3).faces[0]!.attributes);
    expect(second(3).image.pixels).not.toEqual(data.pixels(3));
  });

  it('aligns exact landmarks onto the template', () => {
    const random = createGenerator({ seed: 2 });
    const landmarks = FACE_TEMPLATE.map(([x, y]) => [x / 4 + 10, y / 4 + 5] as const);
    const view = alignedView({ ...faces[0]!.face, landmarks }, 112, 0, random);
    expect(view.angle).toBeCloseTo(0, 9);
    expect(view.size).toBeCloseTo(28, 9);
  });
});
