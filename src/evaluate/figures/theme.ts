/** Colours of the figures: a palette that colour-blind readers can tell apart, for light and dark pages. */

/** A series colour and the colour of text on top of it. */
export interface SeriesColour {
  /** Fill or line. */
  readonly fill: string;
  /** Text on the fill. */
  readonly ink: string;
}

/** All colours of a figure. */
export interface Theme {
  /** Background. */
  readonly surface: string;
  /** Titles and values. */
  readonly ink: string;
  /** Axis labels and captions. */
  readonly muted: string;
  /** Grid lines and tracks. */
  readonly grid: string;
  /** Lines that mark a reference: a target or a noise floor. */
  readonly reference: string;
  /** Colours of series and classes, repeated where there are more. */
  readonly series: readonly SeriesColour[];
}

const DARK_INK = '#14181d';
const fills = (colours: readonly string[], darkInk: (index: number) => boolean): SeriesColour[] =>
  colours.map((fill, index) => ({ fill, ink: darkInk(index) ? DARK_INK : '#ffffff' }));

/** Colours on a white page. Blue, vermilion and green are those of Okabe and Ito; the others keep apart from them. */
export const lightTheme: Theme = {
  surface: '#ffffff',
  ink: '#1b2128',
  muted: '#5a6470',
  grid: '#e3e7eb',
  reference: '#1b2128',
  series: fills(
    ['#0072b2', '#d55e00', '#009e73', '#aa4499', '#e69f00', '#56b4e9', '#882255', '#87871a'],
    (index) => index === 4 || index === 5,
  ),
};

/** The same colours lightened for a dark page. */
export const darkTheme: Theme = {
  surface: '#14181d',
  ink: '#e8ecf0',
  muted: '#9aa5b1',
  grid: '#2c333b',
  reference: '#e8ecf0',
  series: fills(
    ['#4aa5e0', '#f0824a', '#34c29a', '#d583ca', '#f2bd3f', '#97d3f7', '#d2739f', '#c0c04a'],
    () => true,
  ),
};

function entriesOf(theme: Theme): [name: string, value: string][] {
  return [
    ['surface', theme.surface],
    ['ink', theme.ink],
    ['muted', theme.muted],
    ['grid', theme.grid],
    ['reference', theme.reference],
    ...theme.series.flatMap(({ fill, ink }, index): [string, string][] => [
      [`series-${index}`, fill],
      [`series-${index}-ink`, ink],
    ]),
  ];
}

const variable = (name: string, fallback: string) => `var(--${name}, ${fallback})`;

/** Colours that follow the page: CSS variables set by {@link themeVariables}, light where a page doesn't set them. */
export const pageTheme: Theme = {
  surface: variable('surface', lightTheme.surface),
  ink: variable('ink', lightTheme.ink),
  muted: variable('muted', lightTheme.muted),
  grid: variable('grid', lightTheme.grid),
  reference: variable('reference', lightTheme.reference),
  series: lightTheme.series.map(({ fill, ink }, index) => ({
    fill: variable(`series-${index}`, fill),
    ink: variable(`series-${index}-ink`, ink),
  })),
};

/** CSS declarations of the variables that {@link pageTheme} reads, for one theme. */
export function themeVariables(theme: Theme): string {
  return entriesOf(theme)
    .map(([name, value]) => `--${name}: ${value};`)
    .join(' ');
}

/** Colour of series or class number `index`, repeating after the last. */
export function seriesColour(theme: Theme, index: number): SeriesColour {
  return theme.series[index % theme.series.length]!;
}
