/** Draws one head in facesjs coordinates (400 x 600, skull top at y = 100, chin at y = 500) and knows where its parts are. */

import { faceToSvgString } from 'facesjs';
import type { Appearance, FaceConfig } from './appearance.ts';
import type { Expression, Pose } from './scene.ts';

/** Centre of the face in facesjs units. */
export const FACE_CENTER = { x: 200, y: 300 } as const;
/** Height of every head, skull top to chin, in facesjs units. */
export const FACE_HEIGHT = 400;

interface Mouth {
  /** Outline of the lips (women) and the line of the mouth (men), around x = 200. */
  readonly lips: string;
  readonly line: string;
  /** Path of the white teeth or dark opening, empty where the mouth is shut. */
  readonly opening: string;
  /** Half of the distance between the corners, and their height. */
  readonly half: number;
  readonly y: number;
}

const MOUTHS: Readonly<Record<Expression, Mouth>> = {
  neutral: {
    lips: 'M162 438 Q182 424 200 430 Q218 424 238 438 Q200 462 162 438 Z',
    line: 'M162 438 Q200 444 238 438',
    opening: '',
    half: 38,
    y: 438,
  },
  smile: {
    lips: 'M156 428 Q180 428 200 434 Q220 428 244 428 Q200 476 156 428 Z',
    line: 'M154 428 Q200 466 246 428',
    opening: '',
    half: 45,
    y: 428,
  },
  laugh: {
    lips: 'M148 420 Q200 428 252 420 Q240 486 200 486 Q160 486 148 420 Z',
    line: 'M148 422 Q200 430 252 422 Q240 480 200 480 Q160 480 148 422 Z',
    opening: 'M160 428 Q200 434 240 428 Q230 462 200 464 Q170 462 160 428 Z',
    half: 52,
    y: 421,
  },
  sad: {
    lips: 'M158 456 Q200 414 242 456 Q200 444 158 456 Z',
    line: 'M158 456 Q200 418 242 456',
    opening: '',
    half: 42,
    y: 456,
  },
  angry: {
    lips: 'M158 446 Q200 424 242 446 Q200 456 158 446 Z',
    line: 'M158 446 Q200 432 242 446',
    opening: '',
    half: 42,
    y: 446,
  },
  surprised: {
    lips: 'M200 414 C236 414 236 480 200 480 C164 480 164 414 200 414 Z',
    line: 'M200 420 C228 420 228 474 200 474 C172 474 172 420 200 420 Z',
    opening: 'M200 428 C218 428 218 466 200 466 C182 466 182 428 200 428 Z',
    half: 27,
    y: 447,
  },
};

/** Inner eyebrow ends turn down (positive) or up (negative), in degrees. */
const EYEBROW_ANGLES: Readonly<Record<Expression, number>> = {
  neutral: 0,
  smile: 0,
  laugh: -4,
  sad: -18,
  angry: 20,
  surprised: -10,
};

const EMPTY = { id: 'none' } as const;

function inner(svg: string): string {
  return svg.slice(svg.indexOf('>') + 1, svg.lastIndexOf('</svg>'));
}

/** SVG of the hair that falls behind the head and in front of the shoulders. */
export function drawBackHair(appearance: Appearance): string {
  const { face } = appearance;
  if (face.hairBg.id === 'none') return '';
  const only: FaceConfig = {
    ...face,
    ear: { id: 'none', size: 1 },
    head: { id: 'none', shave: '' },
    facialHair: EMPTY,
    eye: { id: 'none', angle: 0 },
    eyebrow: { id: 'none', angle: 0 },
    hair: { ...face.hair, id: 'none' },
    nose: { id: 'none', flip: false, size: 1 },
  };
  return inner(faceToSvgString(only));
}

/** SVG of head, face, front hair, mouth and glasses with the given expression. */
export function drawHead(appearance: Appearance, expression: Expression): string {
  const { face, lips } = appearance;
  const angled: FaceConfig = {
    ...face,
    hairBg: EMPTY,
    eyebrow: { ...face.eyebrow, angle: EYEBROW_ANGLES[expression] },
  };
  const mouth = MOUTHS[expression];
  let svg = inner(faceToSvgString(angled));
  if (appearance.wrinkles) {
    svg +=
      '<path d="M128 392 Q118 420 124 448 M272 392 Q282 420 276 448" fill="none" stroke="#000" ' +
      'stroke-opacity=".4" stroke-width="9" stroke-linecap="round"/>';
  }
  svg += lips
    ? `<path d="${mouth.lips}" fill="${lips}" stroke="${lips}" stroke-width="5" stroke-linejoin="round"/>`
    : `<path d="${mouth.line}" fill="none" stroke="#3a1c18" stroke-width="13" stroke-linecap="round"/>`;
  if (mouth.opening) {
    svg += `<path d="${mouth.opening}" fill="${expression === 'surprised' ? '#3f1414' : '#fff'}"/>`;
  }
  if (appearance.glasses) {
    svg +=
      '<g fill="#fff" fill-opacity=".18" stroke="#20242c" stroke-width="12"><circle cx="140" cy="312" r="46"/>' +
      '<circle cx="260" cy="312" r="46"/><path d="M186 306 Q200 298 214 306" fill="none"/></g>';
  }
  return svg;
}

/** The SVG transform that puts facesjs coordinates onto the 64 x 64 canvas. */
export function headTransform(pose: Pose): string {
  const scale = pose.height / FACE_HEIGHT;
  return `translate(${pose.x} ${pose.y}) rotate(${pose.tilt}) scale(${scale}) translate(${-FACE_CENTER.x} ${-FACE_CENTER.y})`;
}

/** Maps a point from facesjs coordinates onto the 64 x 64 canvas (what `headTransform` does to it). */
export function placePoint(pose: Pose, x: number, y: number): readonly [number, number] {
  const scale = pose.height / FACE_HEIGHT;
  const angle = (pose.tilt * Math.PI) / 180;
  const dx = (x - FACE_CENTER.x) * scale;
  const dy = (y - FACE_CENTER.y) * scale;
  return [
    pose.x + dx * Math.cos(angle) - dy * Math.sin(angle),
    pose.y + dx * Math.sin(angle) + dy * Math.cos(angle),
  ];
}

/**
 * Axis-aligned box [x0, y0, x1, y1] around the head outline (skull top to chin, without ears and hair), in canvas
 * units: the bounding box of the rotated ellipse with the head's half axes.
 */
export function faceBox(pose: Pose, halfWidth: number): readonly [number, number, number, number] {
  const scale = pose.height / FACE_HEIGHT;
  const angle = (pose.tilt * Math.PI) / 180;
  const a = halfWidth * scale;
  const b = pose.height / 2;
  const halfX = Math.hypot(a * Math.cos(angle), b * Math.sin(angle));
  const halfY = Math.hypot(a * Math.sin(angle), b * Math.cos(angle));
  return [pose.x - halfX, pose.y - halfY, pose.x + halfX, pose.y + halfY];
}

/**
 * Five landmarks in canvas units, left and right as seen in the image: left eye, right eye, nose, left and right
 * mouth corner. The eyes and nose stand at facesjs's fixed positions, the mouth is the expression's own.
 */
export function faceLandmarks(pose: Pose, expression: Expression): readonly (readonly [number, number])[] {
  const mouth = MOUTHS[expression];
  return [
    placePoint(pose, 140, 310),
    placePoint(pose, 260, 310),
    placePoint(pose, 200, 370),
    placePoint(pose, 200 - mouth.half, mouth.y),
    placePoint(pose, 200 + mouth.half, mouth.y),
  ];
}
