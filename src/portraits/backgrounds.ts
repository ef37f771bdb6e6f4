/** Backgrounds of 64 x 64 units: a few large flat shapes each, in two colours. */

const drawings = {
  plain: () => '',
  wall: (a) => `<rect y="46" width="64" height="18" fill="${a}"/>`,
  window: (a) =>
    `<g fill="${a}"><rect x="3" y="4" width="13" height="17"/><rect x="48" y="4" width="13" height="17"/></g>`,
  city: (a) => `<path d="M0 64 V30 H9 V20 H17 V34 H24 V26 H40 V32 H47 V16 H56 V28 H64 V64 Z" fill="${a}"/>`,
  shelves: (a) =>
    `<g fill="${a}"><rect y="12" width="64" height="3"/><rect y="28" width="64" height="3"/><rect y="44" width="64" height="3"/></g>`,
  tiles: (a) =>
    `<path d="M0 12 H64 M0 28 H64 M0 44 H64 M12 0 V64 M32 0 V64 M52 0 V64" stroke="${a}" stroke-width="1.6"/>`,
  board: (a) => `<rect x="2" y="3" width="60" height="34" fill="${a}" stroke="#8a5a2b" stroke-width="2.4"/>`,
  hills: (a) => `<path d="M0 42 Q16 30 32 42 T64 40 V64 H0 Z" fill="${a}"/>`,
  mountains: (a) => `<path d="M0 50 L14 20 L26 40 L44 14 L64 46 V64 H0 Z" fill="${a}"/>`,
  sea: (a) => `<rect y="36" width="64" height="28" fill="${a}"/>`,
  field: (a) =>
    `<rect y="34" width="64" height="30" fill="${a}"/><path d="M0 48 H64" stroke="#fff" stroke-width="1.6"/>`,
  court: (a) =>
    `<rect y="38" width="64" height="26" fill="${a}"/><path d="M0 38 H64 M8 64 L16 38 M56 64 L48 38" stroke="#fff" stroke-width="1.6"/>`,
  curtains: (a) =>
    `<path d="M0 0 H16 Q14 34 4 64 H0 Z M64 0 H48 Q50 34 60 64 H64 Z M0 0 H64 V7 Q32 15 0 7 Z" fill="${a}"/>`,
  stripes: (a) =>
    `<g fill="${a}"><rect x="0" width="8" height="64"/><rect x="16" width="8" height="64"/><rect x="32" width="8" height="64"/><rect x="48" width="8" height="64"/></g>`,
  factory: (a) =>
    `<path d="M0 14 H64 M0 22 H64" stroke="${a}" stroke-width="4"/><path d="M10 0 V64 M54 0 V64" stroke="${a}" stroke-width="5"/>`,
  night: (a) =>
    `<g fill="${a}"><circle cx="53" cy="10" r="5"/><circle cx="10" cy="8" r="1.4"/><circle cx="24" cy="5" r="1.2"/><circle cx="6" cy="24" r="1.2"/><circle cx="58" cy="28" r="1.3"/><circle cx="40" cy="6" r="1.1"/></g>`,
  snow: (a) => `<path d="M0 44 Q20 36 40 44 T64 42 V64 H0 Z" fill="${a}"/>`,
  fence: (a) =>
    `<path d="M0 40 H64 M0 50 H64 M6 34 V64 M20 34 V64 M44 34 V64 M58 34 V64" stroke="${a}" stroke-width="3"/>`,
} satisfies Record<string, (accent: string) => string>;

/** One kind of background. */
export type BackgroundKind = keyof typeof drawings;

/** Every kind of background. */
export const BACKGROUND_KINDS = Object.keys(drawings) as readonly BackgroundKind[];

/** SVG of a background that fills 64 x 64 units: `color` behind, `accent` in front (`#rrggbb`). */
export function drawBackground(kind: BackgroundKind, color: string, accent: string): string {
  return `<rect width="64" height="64" fill="${color}"/>${drawings[kind](accent)}`;
}
