/** Simple objects, each drawn in a box of 24 x 24 units, that say what a person does. */

const INK = '#1c1c22';

type Draw = (color: string) => string;

function shape(d: string, fill: string): string {
  return `<path d="${d}" fill="${fill}"/>`;
}

function disc(x: number, y: number, radius: number, fill: string): string {
  return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${fill}"/>`;
}

function box(x: number, y: number, width: number, height: number, fill: string, round = 1): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${round}" fill="${fill}"/>`;
}

function stroke(d: string, color: string, width: number): string {
  return `<path d="${d}" fill="none" stroke="${color}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"/>`;
}

const drawings = {
  stethoscope: (c) =>
    stroke('M6 3 V10 Q6 16 11 16 Q16 16 16 10 V3 M11 16 Q11 22 16 21 Q20 20 19 15', INK, 2.6) +
    disc(19, 13, 3.6, c),
  cross: (c) => disc(12, 12, 10.5, '#fff') + shape('M9 5 h6 v4 h4 v6 h-4 v4 h-6 v-4 h-4 v-6 h4 Z', c),
  clipboard: (c) =>
    box(4, 3, 16, 20, c) +
    box(6.5, 6, 11, 14.5, '#fff') +
    box(9, 1.5, 6, 4, '#9aa3ad') +
    stroke('M9 11 H15 M9 15 H15', '#556', 1.6),
  tooth: () =>
    shape(
      'M4 4 Q8 1 12 4 Q16 1 20 4 Q23 9 19 14 Q19 22 16 22 Q14 22 12 15 Q10 22 8 22 Q5 22 5 14 Q1 9 4 4 Z',
      '#fff',
    ),
  pills: (c) => box(6, 6, 12, 16, c, 2) + box(5, 2, 14, 5, '#fff') + box(8, 11, 8, 6, '#fff'),
  flask: (c) =>
    shape('M9 2 H15 V9 L22 21 Q22 23 20 23 H4 Q2 23 2 21 L9 9 Z', '#eef6ff') +
    shape('M6.5 14 H17.5 L21 21 H3 Z', c),
  microscope: (c) =>
    box(4, 20, 16, 3, c) +
    stroke('M15 19 Q21 13 14 8', c, 3) +
    shape('M7 2 l5 -1 l4 12 l-5 1.6 Z', c) +
    box(6, 15.5, 8, 2, INK),
  gear: (c) =>
    stroke('M12 1.5 V22.5 M1.5 12 H22.5 M4.5 4.5 L19.5 19.5 M19.5 4.5 L4.5 19.5', c, 4.4) +
    disc(12, 12, 7.5, c) +
    disc(12, 12, 3, '#fff'),
  laptop: (c) =>
    box(4, 4, 16, 12, INK, 1.5) +
    box(5.8, 5.8, 12.4, 8.4, c, 0.5) +
    shape('M1 18 H23 L21 22 H3 Z', '#c4ccd6'),
  chart: (c) =>
    box(1.5, 2, 21, 20, '#fff') +
    box(4.5, 13, 3.8, 7, c, 0) +
    box(10, 8.5, 3.8, 11.5, c, 0) +
    box(15.5, 4.5, 3.8, 15.5, c, 0),
  coins: () => disc(9, 15, 7.5, '#e8b923') + disc(15.5, 8.5, 7, '#f6d44d') + box(14.5, 5, 2, 7, '#a57a06', 0),
  briefcase: (c) =>
    stroke('M8 8 V4 H16 V8', INK, 2.4) + box(1.5, 7.5, 21, 14, c, 2) + box(10, 12, 4, 4, '#f4d35e', 0.5),
  phone: (c) => box(6, 1.5, 12, 21, INK, 2.5) + box(7.6, 4.5, 8.8, 13, c, 0.5) + disc(12, 20, 1.2, '#fff'),
  envelope: (c) => box(1.5, 5, 21, 15, '#fff') + stroke('M2 6 L12 14 L22 6', c, 2.2),
  gavel: (c) =>
    shape('M4 8 L11 1.5 L17 8 L10.5 14 Z', c) + stroke('M13.5 11 L21 19', c, 3.4) + box(2, 19, 12, 3.6, c),
  badge: (c) =>
    shape('M12 1.5 L21 5 V12 Q20 20 12 23 Q4 20 3 12 V5 Z', c) +
    shape('M12 6 l1.8 4 4.2 .5 -3.1 3 .8 4.3 -3.7 -2.1 -3.7 2.1 .8 -4.3 -3.1 -3 4.2 -.5 Z', '#fff3b0'),
  flame: () =>
    shape('M12 1 Q20 8 20 15 Q20 23 12 23 Q4 23 4 15 Q4 11 7 8 Q8 11 10 11 Q9 5 12 1 Z', '#f25c1d') +
    shape('M12 12 Q16 15 15.5 18.5 Q15 22 12 22 Q9 22 8.5 18.5 Q8.5 15 12 12 Z', '#ffd23f'),
  book: (c) =>
    shape('M12 5 Q7 1.5 1.5 4 V20 Q7 17.5 12 21 Z', c) +
    shape('M12 5 Q17 1.5 22.5 4 V20 Q17 17.5 12 21 Z', '#fff'),
  teddy: (c) =>
    disc(5.5, 5.5, 4, c) +
    disc(18.5, 5.5, 4, c) +
    disc(12, 12.5, 9.5, c) +
    disc(12, 16, 4.2, '#fbe6c8') +
    disc(8.5, 10.5, 1.4, INK) +
    disc(15.5, 10.5, 1.4, INK),
  pencil: (c) =>
    shape('M3 21 L4.5 14.5 L16.5 2.5 L21.5 7.5 L9.5 19.5 Z', c) +
    shape('M3 21 L4.5 14.5 L9.5 19.5 Z', '#fbe6c8'),
  palette: (c) =>
    shape('M12 3 Q23 3 23 12 Q23 17 17 16 Q13 16 14 19 Q14 22 11 22 Q1 21 1 12 Q1 3 12 3 Z', c) +
    disc(7, 10, 2.2, '#e33') +
    disc(12.5, 7, 2.2, '#38c') +
    disc(18, 10, 2.2, '#2a4') +
    disc(7, 16, 2, '#fd3'),
  guitar: (c) =>
    stroke('M13 11 L21 2.5', '#6b4426', 3) +
    disc(8, 16, 6.5, c) +
    disc(12.5, 11.5, 4.5, c) +
    disc(9, 15, 2.2, INK),
  microphone: (c) =>
    disc(12, 7, 6, c) + stroke('M12 13 V22 M7 22.3 H17', INK, 3.2) + stroke('M7 7 H17', '#fff', 1.2),
  camera: (c) =>
    box(1.5, 6, 21, 15, c, 2) +
    box(8, 2.8, 8, 4, c) +
    disc(12, 13.5, 5.5, '#dfe9f5') +
    disc(12, 13.5, 2.8, INK),
  mask: (c) =>
    shape('M3 3 H21 V12 Q20 22 12 23 Q4 22 3 12 Z', c) +
    disc(8, 9, 2, INK) +
    disc(16, 9, 2, INK) +
    stroke('M7.5 15 Q12 20 16.5 15', INK, 2.2),
  scissors: (c) =>
    stroke('M8.5 15 L18 2 M15.5 15 L6 2', '#8d97a3', 3) +
    `<g fill="none" stroke="${c}" stroke-width="3"><circle cx="6" cy="18.5" r="3.6"/><circle cx="18" cy="18.5" r="3.6"/></g>`,
  spool: (c) =>
    box(4, 2, 16, 4, '#c8965a') +
    box(6.5, 6, 11, 12, c, 0) +
    box(4, 18, 16, 4, '#c8965a') +
    stroke('M7 10 H17 M7 14 H17', '#fff', 1.2),
  comb: (c) =>
    box(2, 4, 20, 6, c) + stroke('M4.5 10 V20 M8.2 10 V20 M12 10 V20 M15.8 10 V20 M19.5 10 V20', c, 2.2),
  pan: (c) =>
    stroke('M14 9 L22 2', '#6b4426', 3.4) +
    disc(9, 14, 8.5, c) +
    disc(9, 14, 5, '#fff') +
    disc(9, 14, 2.4, '#f7b500'),
  bread: (c) =>
    shape('M2 14 Q2 5 12 5 Q22 5 22 14 Q22 20 18 20 H6 Q2 20 2 14 Z', c) +
    stroke('M8 9 L6.5 13 M13 8.5 L11.5 12.5 M18 9 L16.5 13', '#fbe6c8', 1.8),
  cup: (c) =>
    stroke('M17 10 Q22 10 22 14 Q22 17 16.5 17', c, 2.4) +
    shape('M3 8 H18 V16 Q18 21 13 21 H8 Q3 21 3 16 Z', c) +
    stroke('M7.5 5 Q6.5 3.5 7.5 1.5 M13 5 Q12 3.5 13 1.5', '#fff', 1.8),
  glass: (c) =>
    shape('M4 2 H20 Q20 13 12 13 Q4 13 4 2 Z', '#eef6ff') +
    shape('M5 6 H19 Q18 12 12 12 Q6 12 5 6 Z', c) +
    stroke('M12 13 V21 M7 22 H17', '#dfe9f5', 2.4),
  broom: (c) => stroke('M19 2 L11 13', '#8a5a2b', 2.8) + shape('M7 11 L14.5 16 L9 23 L1.5 18.5 Z', c),
  wheat: (c) =>
    stroke('M12 23 V5', '#7b8f2a', 2) +
    [4, 9, 14]
      .map((y) =>
        shape(
          `M12 ${y + 5} Q5 ${y + 4} 5 ${y - 2} Q11 ${y - 1} 12 ${y + 5} Z M12 ${y + 5} Q19 ${y + 4} 19 ${y - 2} Q13 ${y - 1} 12 ${y + 5} Z`,
          c,
        ),
      )
      .join(''),
  paw: (c) =>
    disc(5, 9.5, 3, c) +
    disc(10, 5, 3.1, c) +
    disc(15.5, 5, 3.1, c) +
    disc(20, 10, 3, c) +
    shape('M12.5 10 Q19 15 18 19.5 Q16 23 12.5 21 Q9 23 7 19.5 Q6 15 12.5 10 Z', c),
  plant: (c) =>
    shape('M12 13 Q3 12 3 4 Q11 4 12 13 Z M12 13 Q21 12 21 3 Q13 3 12 13 Z', '#3f9b45') +
    shape('M5 14 H19 L17 23 H7 Z', c),
  tree: () => box(10, 14, 4, 9, '#7a4a22', 0) + disc(12, 9, 8.5, '#2f8a3c'),
  anchor: (c) =>
    `<circle cx="12" cy="4" r="2.6" fill="none" stroke="${c}" stroke-width="2.4"/>` +
    stroke('M12 7 V21 M7 10.5 H17 M3 14 Q4 21.5 12 21.5 Q20 21.5 21 14', c, 3),
  fish: (c) => shape('M1.5 12 Q8 4 16 11 L22.5 6 V18 L16 13 Q8 20 1.5 12 Z', c) + disc(6.5, 11, 1.4, INK),
  brick: (c) =>
    [
      [1.5, 3, 13],
      [16, 3, 6.5],
      [1.5, 10, 6.5],
      [9.5, 10, 13],
      [1.5, 17, 13],
      [16, 17, 6.5],
    ]
      .map(([x, y, w]) => box(x!, y!, w!, 5.6, c, 0.5))
      .join(''),
  helmet: (c) =>
    shape('M3 16 Q3 5 12 5 Q21 5 21 16 Z', c) + box(1, 15, 22, 4, c) + box(10, 3.5, 4, 11, '#fff', 1),
  saw: (c) =>
    shape('M9 8 L23 16 L21 20 L17.5 19.5 L15.5 18.5 L12.5 18.5 L10 17 L6 16.5 Z', '#d5dbe2') +
    `<path d="M2.5 5 L9 7 L6 15 L1.5 12 Z" fill="${c}"/>`,
  hammer: (c) => stroke('M12 9 V22', '#a8672c', 4) + shape('M4 3 H17 Q21 4 22 9 L16 9 H4 Z', c),
  wrench: (c) =>
    stroke('M8 16 L16 8', c, 4.4) +
    shape('M14 4 Q17 0 21 2 L18 5.5 L19.5 7 L23 4 Q24 8 20 10.5 Q16 12 14 10 Q12 7 14 4 Z', c) +
    disc(6.5, 17.5, 4.6, c) +
    disc(6.5, 17.5, 1.8, '#fff'),
  bolt: (c) => shape('M14 1 L3.5 14 H10.5 L9 23 L20.5 9.5 H13 Z', c),
  factory: (c) =>
    shape('M2 22 V10 L8 14 V10 L14 14 V3 H20 V22 Z', c) +
    box(5, 16.5, 3, 3, '#ffe9a8', 0) +
    box(10, 16.5, 3, 3, '#ffe9a8', 0),
  pickaxe: (c) => stroke('M12 7 L12 22', '#8a5a2b', 3.4) + stroke('M2.5 9.5 Q12 0 21.5 9.5', c, 3.8),
  wheel: (c) =>
    `<circle cx="12" cy="12" r="9" fill="none" stroke="${c}" stroke-width="3.6"/>` +
    stroke('M12 12 V20 M12 12 L4.5 9 M12 12 L19.5 9', c, 2.8) +
    disc(12, 12, 3, '#9aa3ad'),
  plane: (c) =>
    shape(
      'M12 1 Q14 3 14 9 L22.5 15 V17.5 L14 15 V19 L17 22 H7 L10 19 V15 L1.5 17.5 V15 L10 9 Q10 3 12 1 Z',
      c,
    ),
  train: (c) =>
    box(4, 2, 16, 16, c, 3) +
    box(6.5, 5, 11, 6, '#dff1ff') +
    disc(8, 14.5, 1.6, '#fff3b0') +
    disc(16, 14.5, 1.6, '#fff3b0') +
    stroke('M7 18.5 L4 23 M17 18.5 L20 23', INK, 2.4),
  parcel: (c) => box(2, 5, 20, 17, c) + box(10, 5, 4, 17, '#f3dfb8', 0) + box(14.5, 15, 5, 4, '#fff', 0),
  bag: (c) => stroke('M8 9 V6 Q8 2 12 2 Q16 2 16 6 V9', INK, 2) + shape('M4 8 H20 L21.5 22 H2.5 Z', c),
  key: (c) =>
    `<circle cx="7.5" cy="8" r="5" fill="none" stroke="${c}" stroke-width="3.4"/>` +
    stroke('M11 11.5 L21 21.5 M17 17.5 L20 14.8', c, 3.2),
  house: (c) =>
    box(4, 11, 16, 11.5, '#fff4dd', 0) + shape('M1.5 12 L12 2 L22.5 12 Z', c) + box(10, 15, 4.5, 7.5, c, 0),
  candle: (c) => box(8, 10, 8, 12.5, c) + shape('M12 1.5 Q16 6 12 9.5 Q8 6 12 1.5 Z', '#ffc53d'),
  whistle: (c) => disc(9, 14, 7, c) + shape('M9 7 H22.5 V12 H14 Z', c) + disc(9, 14, 2.4, '#fff'),
  map: (c) =>
    shape('M1.5 5 L8.5 2.5 L15.5 5 L22.5 2.5 V19.5 L15.5 22 L8.5 19.5 L1.5 22 Z', '#f5e6b8') +
    stroke('M5 16 L10 11 L14 14 L19 7', c, 2.4),
  globe: (c) =>
    disc(12, 12, 10.5, c) +
    shape(
      'M5 6 Q10 4 12 8 Q11 12 7 12 Q4 10 5 6 Z M13 13 Q19 11 20 15 Q17 21 13.5 20 Q12 16 13 13 Z',
      '#4faa5a',
    ),
  lantern: (c) =>
    disc(12, 13, 8, c) +
    box(8, 2.5, 8, 3.5, INK, 0) +
    box(8, 20, 8, 3, INK, 0) +
    stroke('M12 6 V20', '#fff3b0', 2.4),
  crystal: (c) =>
    disc(12, 10, 8.8, c) + disc(9, 7, 2.6, '#fff') + shape('M5 23 L7.5 18 H16.5 L19 23 Z', '#6b4426'),
  crown: (c) => shape('M2 6 L7 12 L12 3 L17 12 L22 6 L20 20 H4 Z', c) + disc(12, 16, 2, '#e33'),
  soccer: () =>
    disc(12, 12, 10.5, '#fff') +
    shape('M12 7 L16.8 10.5 L15 16 H9 L7.2 10.5 Z', INK) +
    stroke('M12 7 V2 M16.8 10.5 L22 9 M15 16 L18 20.5 M9 16 L6 20.5 M7.2 10.5 L2 9', INK, 1.5),
  basketball: () =>
    disc(12, 12, 10.5, '#ec7a24') +
    stroke('M12 1.5 V22.5 M1.5 12 H22.5 M5 4.5 Q10 12 5 19.5 M19 4.5 Q14 12 19 19.5', INK, 1.6),
  volleyball: (c) =>
    disc(12, 12, 10.5, '#fff') + stroke('M12 12 Q8 5 12 1.5 M12 12 Q20 11 21.5 16 M12 12 Q7 18 4 18', c, 2.6),
  baseball: () =>
    disc(12, 12, 10.5, '#fff') + stroke('M6 3.5 Q11 12 6 20.5 M18 3.5 Q13 12 18 20.5', '#d33', 1.8),
  football: (c) =>
    shape('M1.5 12 Q6 4 12 4 Q18 4 22.5 12 Q18 20 12 20 Q6 20 1.5 12 Z', c) +
    stroke('M7 12 H17 M9.5 10 V14 M12 10 V14 M14.5 10 V14', '#fff', 1.6),
  racket: (c) =>
    stroke('M14 14 L21.5 22', INK, 3) +
    `<ellipse cx="9" cy="9" rx="7.5" ry="7" fill="#fff" stroke="${c}" stroke-width="2.8"/>` +
    stroke('M6 4 V14 M9 3 V15 M12 4 V14 M3 7 H15 M3 11 H15', '#8d97a3', 0.8),
  paddle: (c) => stroke('M14 14 L20 21', '#a8672c', 4) + disc(9.5, 9, 8, c) + disc(20, 6, 2.8, '#fff'),
  bat: (c) => stroke('M3 21 L11 13', c, 2.6) + stroke('M11 13 L20 4', c, 5.4),
  hockey: (c) => stroke('M19 2 L9 19 Q7 21.5 2.5 20', c, 3.4) + disc(18, 20, 3, INK),
  golf: (c) => stroke('M8 23 V2', INK, 2) + shape('M8 2 L21 6 L8 11 Z', c) + disc(17, 20, 2.8, '#fff'),
  dumbbell: (c) => stroke('M6 12 H18', '#8d97a3', 3.4) + box(2, 5, 5, 14, c, 1.5) + box(17, 5, 5, 14, c, 1.5),
  glove: (c) =>
    shape('M5 7 Q6 1.5 13 2 Q20.5 2.5 20 10 Q20 15 17 17 H7 Q4 14 5 7 Z', c) +
    box(6.5, 17, 11, 5, '#fff') +
    stroke('M6 10 Q10 13 11 8', INK, 1.4),
  bicycle: (c) =>
    `<g fill="none" stroke="${INK}" stroke-width="2.4"><circle cx="5.5" cy="16" r="4.4"/><circle cx="18.5" cy="16" r="4.4"/></g>` +
    stroke('M5.5 16 L10 8 H16 L18.5 16 M10 8 L12 16 L16 8 M15 5 H18', c, 2.2),
  skis: (c) => stroke('M6 2 Q8 2 8 5 V22 M14 2 Q16 2 16 5 V22', c, 3.4) + stroke('M20.5 5 V21', INK, 1.6),
  skate: (c) =>
    shape('M5 2 H13 V10 Q21 11 21 16 H5 Z', c) +
    stroke('M3 20.5 H20 Q22 20.5 22 18.5 M8 16.5 V20 M17 16.5 V20', '#8d97a3', 2.2),
  board: (c) =>
    `<ellipse cx="12" cy="12" rx="5" ry="11" transform="rotate(35 12 12)" fill="${c}"/>` +
    stroke('M17.5 4 L6.5 20', '#fff', 1.8),
  paddleboat: (c) => shape('M1 13 H23 Q20 20 12 20 Q4 20 1 13 Z', c) + stroke('M4 22 L20 3', '#a8672c', 2.6),
  sail: (c) =>
    shape('M11 2 V15 H2.5 Q8 10 11 2 Z', '#fff') +
    shape('M13 4 Q20 9 21 15 H13 Z', c) +
    shape('M2 17 H22 L18.5 22 H5.5 Z', '#8a5a2b'),
  waves: (c) =>
    [5, 12, 19].map((y) => stroke(`M2 ${y} Q5.3 ${y - 4} 8.6 ${y} T15.3 ${y} T22 ${y}`, c, 3.2)).join(''),
  goggles: (c) =>
    stroke('M1 11 H23', INK, 3) +
    `<ellipse cx="7" cy="12" rx="5.2" ry="5.6" fill="${c}"/><ellipse cx="17" cy="12" rx="5.2" ry="5.6" fill="${c}"/>`,
  target: () =>
    disc(12, 12, 10.5, '#fff') +
    disc(12, 12, 7.4, '#d33') +
    disc(12, 12, 4.6, '#fff') +
    disc(12, 12, 2.2, '#d33'),
  bow: (c) =>
    stroke('M6 2 Q20 12 6 22', c, 3) +
    stroke('M6 2 V22', INK, 1) +
    stroke('M2 12 H21 M21 12 L17 9.5 M21 12 L17 14.5', INK, 2),
  foil: (c) =>
    stroke('M3 3 L16 16', '#e3e8ee', 2.8) +
    stroke('M12 20 L20 12', c, 3.4) +
    stroke('M17 17 L21.5 21.5', INK, 3.4),
  mat: (c) =>
    box(1.5, 14, 21, 8, c, 4) +
    disc(5.5, 18, 2.2, '#fff') +
    shape(
      'M12 2 Q16 6 12 11 Q8 6 12 2 Z M12 11 Q5 11 4 5 Q10 5 12 11 Z M12 11 Q19 11 20 5 Q14 5 12 11 Z',
      '#f28bb1',
    ),
  shoe: (c) => shape('M2 6 H9 Q11 11 18 12 Q23 13 22.5 18 H2 Z', c) + box(1.5, 17.5, 21.5, 3.6, '#fff'),
  mountain: (c) =>
    shape('M1 22 L9.5 5 L14 13 L17 9 L23 22 Z', c) + shape('M9.5 5 L12 9.5 L9.5 11.5 L7 10 Z', '#fff'),
  rope: (c) =>
    `<g fill="none" stroke="${c}" stroke-width="3"><circle cx="12" cy="11" r="8"/><circle cx="12" cy="11" r="3.6"/></g>` +
    stroke('M17 17 L21 22', c, 3),
  chess: (c) => disc(12, 5, 4, c) + shape('M9.5 8 H14.5 L16.5 18 H7.5 Z', c) + box(5, 18, 14, 4.6, c),
  dice: () =>
    box(2, 2, 20, 20, '#fff', 4) +
    disc(7, 7, 2, INK) +
    disc(17, 7, 2, INK) +
    disc(12, 12, 2, INK) +
    disc(7, 17, 2, INK) +
    disc(17, 17, 2, INK),
  cards: () =>
    `<g transform="rotate(-12 12 12)">${box(3, 4, 12, 17, '#fff', 1.5)}</g><g transform="rotate(10 12 12)">${box(9, 3, 12, 17, '#fff', 1.5)}${shape('M15 8 L18.5 12 L15 16 L11.5 12 Z', '#d33')}</g>`,
  gamepad: (c) =>
    shape('M6 7 H18 Q23 9 22.5 17 Q20 21 16.5 16 H7.5 Q4 21 1.5 17 Q1 9 6 7 Z', c) +
    stroke('M7.5 9.5 V13.5 M5.5 11.5 H9.5', '#fff', 1.8) +
    disc(17, 11.5, 1.8, '#fff'),
  horse: (c) =>
    shape('M5 22 Q4 13 9 8 L9 2 L13 5 Q19 6 21.5 14 L18 16.5 L13.5 13.5 Q15 17 16 22 Z', c) +
    disc(14, 8.5, 1.2, INK),
  bowling: (c) =>
    disc(9, 14.5, 7.5, c) +
    disc(7.5, 12, 1.2, '#fff') +
    disc(11, 12, 1.2, '#fff') +
    shape('M18 4 Q20.5 4 20 8 Q22 14 21 22 H16.5 Q15 14 17.5 8 Z', '#fff'),
  trophy: (c) =>
    stroke('M6 5 H2 Q2 12 8 12 M18 5 H22 Q22 12 16 12', c, 2.2) +
    shape('M5 2 H19 Q19 14 12 15 Q5 14 5 2 Z', c) +
    stroke('M12 15 V20', c, 3) +
    box(6, 19.5, 12, 3.5, '#6b4426'),
  kite: (c) =>
    shape('M12 1.5 L21 10 L12 20 L3 10 Z', c) + stroke('M12 20 Q15 21 13 23 M12 2 V20 M3 10 H21', INK, 1.2),
  disc: (c) =>
    `<ellipse cx="12" cy="12" rx="10.8" ry="6.5" fill="${c}"/><ellipse cx="12" cy="10.6" rx="6" ry="3" fill="#fff"/>`,
} satisfies Record<string, Draw>;

/** One kind of object that can be drawn. */
export type PropKind = keyof typeof drawings;

/** Every kind of object that can be drawn. */
export const PROP_KINDS = Object.keys(drawings) as readonly PropKind[];

/** SVG of an object, outlined, in a box of 24 x 24 units; `color` (`#rrggbb`) is its main colour. */
export function drawProp(kind: PropKind, color: string): string {
  const draw: Draw = drawings[kind];
  const content = draw(color);
  return (
    `<g stroke="${INK}" stroke-width="4" stroke-linejoin="round">${content.replaceAll(/ stroke="[^"]*"/g, '')}</g>` +
    `<g stroke="none">${content}</g>`
  );
}
