/** PNG of SVG figures, without any installed font. */

import { Resvg } from '@resvg/resvg-js';

/**
 * Renders an SVG to PNG. Labels must be strokes (`labels: 'strokes'`) and colours plain (a theme other than the page's):
 * the renderer has no fonts and knows no CSS variables.
 * @param scale pixels of the PNG for one pixel of the SVG
 * @throws where the SVG holds text or CSS variables, which would vanish
 */
export function rasterizeSvg(svg: string, scale = 1): Uint8Array {
  if (svg.includes('<text') || svg.includes('var(--')) {
    throw new Error("Rasterising: expected labels: 'strokes' and a plain theme, received <text> or var()");
  }
  const renderer = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: { loadSystemFonts: false },
  });
  return renderer.render().asPng();
}
