/** Garments for head-and-shoulders portraits, drawn in facesjs units around the chin (0, 0). */

/** Every garment that can be drawn. */
export const CLOTHING_KINDS = [
  'tee',
  'shirt',
  'blouse',
  'suit',
  'coat',
  'scrubs',
  'apron',
  'overalls',
  'uniform',
  'vest',
  'hivis',
  'robe',
  'chef',
  'hoodie',
  'jersey',
  'sweater',
  'gown',
  'patched',
] as const;

/** One of `CLOTHING_KINDS`. */
export type ClothingKind = (typeof CLOTHING_KINDS)[number];

const OUTLINE = 'stroke="#1c1c22" stroke-width="7" stroke-linejoin="round"';

function torso(color: string, half: number): string {
  const neck = 62;
  return (
    `<path d="M${-half} 900 V320 C${-half} 150 ${-half + 20} 90 ${-neck - 40} 52 L${-neck} 30 Q0 100 ${neck} 30 ` +
    `L${neck + 40} 52 C${half - 20} 90 ${half} 150 ${half} 320 V900 Z" fill="${color}" ${OUTLINE}/>`
  );
}

function lapels(color: string): string {
  return `<path d="M-64 30 L-112 118 L0 330 L112 118 L64 30 L0 200 Z" fill="${color}" ${OUTLINE}/>`;
}

function front(color: string): string {
  return `<path d="M-60 32 L0 300 L60 32 Q0 100 -60 32 Z" fill="${color}"/>`;
}

function collar(color: string): string {
  return `<path d="M-62 28 L-78 96 L0 84 L78 96 L62 28 L0 84 Z" fill="${color}" ${OUTLINE}/>`;
}

function line(d: string, color: string, width: number): string {
  return `<path d="${d}" fill="none" stroke="${color}" stroke-width="${width}"/>`;
}

const DETAILS: Readonly<Record<ClothingKind, (color: string, accent: string) => string>> = {
  tee: () => '',
  shirt: (color) => collar(color) + line('M0 90 V900', '#1c1c22', 6),
  blouse: (_, accent) =>
    `<path d="M-64 30 L-20 150 H20 L64 30 Q0 110 -64 30 Z" fill="${accent}" ${OUTLINE}/>`,
  suit: (color, accent) =>
    `${front('#fff')}<path d="M-18 84 H18 L24 240 L0 290 L-24 240 Z" fill="${accent}"/>${lapels(color)}`,
  coat: (color, accent) => front(accent) + lapels(color),
  scrubs: (_, accent) => `<path d="M-64 30 L0 160 L64 30 Q0 90 -64 30 Z" fill="${accent}" ${OUTLINE}/>`,
  apron: (_, accent) =>
    line('M-90 50 L-104 150 M90 50 L104 150', accent, 26) +
    `<path d="M-112 130 H112 V900 H-112 Z" fill="${accent}" ${OUTLINE}/>`,
  overalls: (_, accent) =>
    line('M-110 56 V180 M110 56 V180', accent, 44) +
    `<path d="M-134 168 H134 V900 H-134 Z" fill="${accent}" ${OUTLINE}/>`,
  uniform: (color, accent) =>
    collar(color) +
    line('M0 90 V900', '#1c1c22', 6) +
    `<path d="M-215 84 L-130 58 L-120 88 L-205 116 Z M215 84 L130 58 L120 88 L205 116 Z" fill="${accent}"/>` +
    `<path d="M96 150 l30 12 v26 q-4 26 -30 36 q-26 -10 -30 -36 v-26 Z" fill="${accent}"/>`,
  vest: (color, accent) => front(accent) + line('M-62 30 L0 200 L62 30', color, 24),
  hivis: (_, accent) => line('M-118 60 V900 M118 60 V900', accent, 40) + line('M-176 170 H176', accent, 36),
  robe: (_, accent) => front(accent) + line('M-66 30 L-10 900 M66 30 L10 900', accent, 30),
  chef: (color, accent) =>
    collar(color) +
    [130, 200, 270]
      .map(
        (y) =>
          `<circle cx="-44" cy="${y}" r="15" fill="${accent}"/><circle cx="44" cy="${y}" r="15" fill="${accent}"/>`,
      )
      .join(''),
  hoodie: (color, accent) =>
    `<path d="M-112 40 Q0 190 112 40 L80 22 Q0 110 -80 22 Z" fill="${color}" ${OUTLINE}/>` +
    line('M-34 120 V220 M34 120 V220', accent, 14),
  jersey: (_, accent) =>
    line('M-70 34 Q0 110 70 34', accent, 30) + line('M-190 84 V900 M190 84 V900', accent, 44),
  sweater: (color, accent) =>
    line('M-150 118 H150 M-176 182 H176', accent, 28) + line('M-70 40 Q0 120 70 40', color, 34),
  gown: (_, accent) =>
    line('M-74 40 Q0 130 74 40', accent, 30) +
    [-56, -28, 0, 28, 56]
      .map((x) => `<circle cx="${x}" cy="${112 - (x * x) / 70}" r="14" fill="#fff7d6"/>`)
      .join(''),
  patched: (_, accent) =>
    `<path d="M-150 130 h90 v90 h-90 Z M50 220 h90 v90 h-90 Z" fill="${accent}" stroke="#1c1c22" stroke-width="8"/>`,
};

/** SVG of the neck in skin colour, in facesjs units around the chin (0, 0). */
export function drawNeck(skin: string): string {
  return `<path d="M-62 -70 V40 Q0 104 62 40 V-70 Z" fill="${skin}" stroke="#1c1c22" stroke-width="6"/>`;
}

/** SVG of a garment in facesjs units around the chin (0, 0); `half` is half the width of the shoulders. */
export function drawClothing(kind: ClothingKind, color: string, accent: string, half: number): string {
  return torso(color, half) + DETAILS[kind](color, accent);
}
