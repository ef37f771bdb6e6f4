/** Stylesheet of the report, for light and dark pages and for paper. */

import { FONT_FAMILY } from './figures/svg.ts';
import { darkTheme, lightTheme, themeVariables } from './figures/theme.ts';

/** CSS of a report page; it sets the variables that figures in the page's theme read. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; ${themeVariables(lightTheme)} }
@media (prefers-color-scheme: dark) { :root { ${themeVariables(darkTheme)} } }
@media print { :root { ${themeVariables(lightTheme)} } }
* { box-sizing: border-box; }
body { margin: 0; overflow-wrap: break-word; background: var(--surface); color: var(--ink); font: 16px/1.5 ${FONT_FAMILY}; }
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; }
p { max-width: 46rem; margin: .5rem 0; }
.summary { font-size: 1.1rem; color: var(--muted); }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--series-0); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding-bottom: .4rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--grid); text-align: right; white-space: nowrap; }
th { font-weight: 600; }
thead th { white-space: normal; color: var(--muted); border-bottom: 2px solid var(--grid); vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; border: 1px solid var(--grid); border-radius: 8px; padding: .5rem .5rem .75rem; min-width: 0; }
figure svg, figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.sheet { margin-top: 1.5rem; }
figcaption { color: var(--muted); font-size: .875rem; padding: .25rem .5rem 0; }
dl { margin: 0; display: grid; gap: .3rem; }
dl div { display: grid; grid-template-columns: 9rem 1fr; gap: 1rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--muted); }
summary { cursor: pointer; padding: .25rem 0; }
summary:focus-visible { outline: 2px solid var(--series-0); outline-offset: 2px; }
@media (max-width: 40rem) { dl div { grid-template-columns: 1fr; gap: 0; } main { padding: 1.5rem 1rem 3rem; } }
@media print { figure, table { break-inside: avoid; } main { max-width: none; padding: 0; } }
`;
