/** Turns a scene into SVG, pixels and ground truth. */

import { Resvg } from '@resvg/resvg-js';
import { appearanceOf } from './appearance.ts';
import { drawBackground } from './backgrounds.ts';
import { drawClothing, drawNeck } from './clothing.ts';
import { drawBackHair, drawHead, FACE_HEIGHT, faceBox, faceLandmarks, headTransform } from './head.ts';
import { drawProp } from './props.ts';
import type { Attributes, Person, Scene } from './scene.ts';
import { composeStyle } from './styles.ts';

/** Side of the canvas on which scenes are laid out; every coordinate of a `Scene` is in these units. */
export const CANVAS_SIZE = 64;

/** What is known for certain about one face of a picture. */
export interface FaceTruth {
  /** [x0, y0, x1, y1] in pixels around the head outline, without hair and ears; may reach past the border. */
  readonly box: readonly [number, number, number, number];
  /** Left eye, right eye, nose, left and right mouth corner (left and right as seen in the image), in pixels. */
  readonly landmarks: readonly (readonly [number, number])[];
  readonly attributes: Attributes;
}

/** A drawn scene: `size * size * 3` bytes, rows from the top, RGB; and its faces from left to right. */
export interface RasterizedScene {
  readonly size: number;
  readonly pixels: Uint8Array;
  readonly faces: readonly FaceTruth[];
}

/** facesjs gives every gradient of a haircut the same id, so the ids of each head get a suffix of their own. */
function withOwnIds(svg: string, slot: number): string {
  return svg.includes(' id="') ? svg.replaceAll(/( id="|url\(#)([\w-]+)/g, `$1$2-${slot}`) : svg;
}

function drawPerson(person: Person, slot: number): string {
  const appearance = appearanceOf(person, person.variation);
  const { pose, clothing } = person;
  const scale = pose.height / FACE_HEIGHT;
  const shoulders = person.gender === 'male' ? 262 : 222;
  const atChin = `translate(${pose.x} ${pose.y + pose.height / 2}) scale(${scale})`;
  const atHead = headTransform(pose);
  return (
    `<g transform="${atChin}">${drawClothing(clothing.kind, clothing.color, clothing.accent, shoulders)}</g>` +
    `<g transform="${atHead}">${drawBackHair(appearance)}</g>` +
    `<g transform="${atChin}">${drawNeck(appearance.skin)}</g>` +
    `<g transform="${atHead}">${withOwnIds(drawHead(appearance, person.expression), slot)}</g>`
  );
}

/** Draws a scene as a stand-alone SVG document of 64 x 64 units. */
export function drawScene(scene: Scene): { readonly svg: string } {
  const { background } = scene;
  const props = scene.props.map((prop) => {
    const scale = prop.size / 24;
    const transform = `translate(${prop.x - prop.size / 2} ${prop.y - prop.size / 2}) scale(${scale})`;
    return `<g transform="${transform}">${drawProp(prop.kind, prop.color)}</g>`;
  });
  const content = composeStyle(
    scene.style,
    drawBackground(background.kind, background.color, background.accent),
    scene.people.map(drawPerson).join(''),
    props.join(''),
  );
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">${content}</svg>`,
  };
}

/** Ground truth of every face of a scene drawn at `size` pixels a side, from left to right. */
export function faceTruths(scene: Scene, size = CANVAS_SIZE): readonly FaceTruth[] {
  const unit = size / CANVAS_SIZE;
  const ordered = [...scene.people].sort((a, b) => a.pose.x - b.pose.x);
  return ordered.map((person) => {
    const { halfWidth } = appearanceOf(person, person.variation);
    const [x0, y0, x1, y1] = faceBox(person.pose, halfWidth);
    return {
      box: [x0 * unit, y0 * unit, x1 * unit, y1 * unit],
      landmarks: faceLandmarks(person.pose, person.expression).map(([x, y]) => [x * unit, y * unit] as const),
      attributes: { gender: person.gender, race: person.race, age: person.age },
    };
  });
}

/** Draws a scene at `size` x `size` pixels (a positive integer); the same scene always gives the same bytes. */
export function rasterizeScene(scene: Scene, size = CANVAS_SIZE): RasterizedScene {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`Scene size must be a positive integer number of pixels, got ${size}`);
  }
  const image = new Resvg(drawScene(scene).svg, {
    fitTo: { mode: 'width', value: size },
    font: { loadSystemFonts: false },
  }).render();
  const source = image.pixels;
  const pixels = new Uint8Array(size * size * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    pixels[to] = source[from]!;
    pixels[to + 1] = source[from + 1]!;
    pixels[to + 2] = source[from + 2]!;
  }
  return { size, pixels, faces: faceTruths(scene, size) };
}
