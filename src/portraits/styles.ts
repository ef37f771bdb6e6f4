/** Picture styles: a colour treatment and a frame, strong around people and mild on them so that faces stay readable. */

interface Style {
  /** Row-major 4x5 feColorMatrix of what surrounds the people, or null for none. */
  readonly surroundings: string | null;
  /** The same for people; always much weaker. */
  readonly people: string | null;
  /** SVG drawn over everything, in 64 x 64 units. */
  readonly frame: string;
}

/** Rows that mix the grey value and the tint (r, g, b) into each channel: 0 leaves the colours alone, 1 replaces them. */
function tint(red: number, green: number, blue: number, strength: number): string {
  const grey = [0.299, 0.587, 0.114];
  const row = (own: number, gain: number): string =>
    grey
      .map((weight, channel) => ((own === channel ? 1 - strength : 0) + strength * gain * weight).toFixed(4))
      .join(' ');
  return `${row(0, red)} 0 0 ${row(1, green)} 0 0 ${row(2, blue)} 0 0 0 0 0 1 0`;
}

/** Rows that scale saturation by `saturation` and then every channel by `gain`, adding `lift`. */
function tone(saturation: number, gain: number, lift: number): string {
  const grey = [0.299, 0.587, 0.114];
  const row = (own: number): string =>
    grey
      .map((weight, channel) =>
        (gain * (weight * (1 - saturation) + (own === channel ? saturation : 0))).toFixed(4),
      )
      .join(' ');
  return `${row(0)} 0 ${lift} ${row(1)} 0 ${lift} ${row(2)} 0 ${lift} 0 0 0 1 0`;
}

function border(color: string, width: number, extra = ''): string {
  const inset = width / 2;
  return (
    `<rect x="${inset}" y="${inset}" width="${64 - width}" height="${64 - width}" fill="none" stroke="${color}" ` +
    `stroke-width="${width}"/>${extra}`
  );
}

const BARS = '<path d="M0 0 H64 V6 H0 Z M0 58 H64 V64 H0 Z" fill="#000"/>';

const styles = {
  photo: { surroundings: null, people: null, frame: '' },
  monochrome: { surroundings: tone(0, 1, 0), people: tone(0.6, 1, 0), frame: '' },
  sepia: { surroundings: tint(1.15, 0.92, 0.66, 1), people: tint(1.15, 0.92, 0.66, 0.15), frame: '' },
  oil: {
    surroundings: tone(1.5, 0.85, 0),
    people: tone(1.1, 0.97, 0),
    frame: border('#c9982f', 4, border('#7a5412', 1.2)),
  },
  watercolor: {
    surroundings: tone(0.6, 0.6, 0.4),
    people: tone(0.95, 0.92, 0.06),
    frame:
      '<path d="M0 0 H64 V64 H0 Z M5 6 Q3 30 6 59 Q32 56 59 60 Q61 32 58 5 Q32 8 5 6 Z" fill="#fffdf6" fill-rule="evenodd"/>',
  },
  sketch: {
    surroundings: tone(0, 0.5, 0.48),
    people: tone(0.75, 0.94, 0.05),
    frame: border(
      '#f7f4ea',
      5,
      '<rect x="5" y="5" width="54" height="54" fill="none" stroke="#444" stroke-width="1"/>',
    ),
  },
  vintage: {
    surroundings: tint(1.1, 0.95, 0.75, 0.6),
    people: tint(1.1, 0.95, 0.75, 0.1),
    frame: border('#fff8e7', 5),
  },
  polaroid: {
    surroundings: null,
    people: null,
    frame: '<path d="M0 0 H64 V64 H0 Z M4 4 V54 H60 V4 Z" fill="#fff" fill-rule="evenodd"/>',
  },
  film: { surroundings: tone(0.8, 0.8, 0), people: null, frame: BARS },
  comic: { surroundings: tone(2, 1, 0), people: tone(1.15, 1, 0), frame: border('#111', 3.4) },
  poster: { surroundings: tone(1.6, 1, 0), people: null, frame: border('#d8342c', 5) },
  neon: {
    surroundings: tint(0.75, 0.3, 1.25, 0.9),
    people: tint(0.85, 0.75, 1.15, 0.08),
    frame: border('#ff3fd0', 2.4),
  },
  pastel: { surroundings: tone(0.5, 0.5, 0.5), people: tone(0.95, 0.94, 0.05), frame: '' },
  blueprint: { surroundings: tint(0.4, 0.65, 1.15, 1), people: null, frame: border('#cfe6ff', 2) },
  golden: { surroundings: tint(1.3, 0.95, 0.45, 0.7), people: tint(1.1, 0.97, 0.8, 0.08), frame: '' },
  moonlit: { surroundings: tint(0.45, 0.55, 0.95, 0.9), people: tint(0.85, 0.9, 1.1, 0.08), frame: '' },
} satisfies Record<string, Style>;

/** One kind of picture style; `photo` leaves everything as it is. */
export type StyleKind = keyof typeof styles;

/** Every picture style. */
export const STYLE_KINDS = Object.keys(styles) as readonly StyleKind[];

/** Puts the two layers of a scene (SVG of what surrounds the people, SVG of the people) together in the given style. */
export function composeStyle(kind: StyleKind, behind: string, people: string, inFront: string): string {
  const style: Style = styles[kind];
  const filter = (id: string, matrix: string | null): string =>
    matrix === null
      ? ''
      : `<filter id="${id}" x="0" y="0" width="64" height="64" filterUnits="userSpaceOnUse" color-interpolation-filters="sRGB">` +
        `<feColorMatrix type="matrix" values="${matrix}"/></filter>`;
  const group = (id: string, matrix: string | null, content: string): string =>
    matrix === null || content === '' ? content : `<g filter="url(#${id})">${content}</g>`;
  const { surroundings } = style;
  return (
    filter('style-around', surroundings) +
    filter('style-people', style.people) +
    group('style-around', surroundings, behind) +
    group('style-people', style.people, people) +
    group('style-around', surroundings, inFront) +
    style.frame
  );
}
