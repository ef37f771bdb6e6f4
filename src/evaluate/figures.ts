/** Figures of an evaluation: charts as SVG, and contact sheets of images as PNG. */

export type { Bar, BarGroup, ComparisonBars } from './figures/comparison_bars.ts';
export { comparisonBars } from './figures/comparison_bars.ts';
export type { ClassBar, ContactSheet, Tile } from './figures/contact_sheet.ts';
export { contactSheet } from './figures/contact_sheet.ts';
export type { DotPlot, DotRow } from './figures/dot_plot.ts';
export { dotPlot } from './figures/dot_plot.ts';
export type { LineChart, LineSeries } from './figures/line_chart.ts';
export { lineChart, smooth } from './figures/line_chart.ts';
export type { DiagramEdge, DiagramNode, PathDiagram } from './figures/path_diagram.ts';
export { pathDiagram } from './figures/path_diagram.ts';
export { rasterizeSvg } from './figures/rasterize.ts';
export type { StackedBars, StackedRow } from './figures/stacked_bars.ts';
export { stackedBars } from './figures/stacked_bars.ts';
export type { FigureStyle } from './figures/svg.ts';
export type { Theme } from './figures/theme.ts';
export { darkTheme, lightTheme, pageTheme } from './figures/theme.ts';
