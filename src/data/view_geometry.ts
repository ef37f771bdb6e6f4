/** Where points and upright ellipses of a picture lie after it was resampled through a view. */

import type { View } from './augmentation.ts';

/** Position of the picture's point (x, y) in an image of `side` pixels that shows `view` (see `writeView`). */
export function throughView(
  view: View,
  side: number,
  [x, y]: readonly [number, number],
): readonly [number, number] {
  const scale = side / view.size;
  const [dx, dy] = [(x - view.x) * scale, (y - view.y) * scale];
  const [cos, sin] = [Math.cos(view.angle), Math.sin(view.angle)];
  const u = dx * cos + dy * sin;
  const v = dy * cos - dx * sin;
  return [side / 2 + (view.mirrored ? -u : u), side / 2 + v];
}

/**
 * Bounding box [x0, y0, x1, y1] in an image of `side` pixels that shows `view`, of the ellipse that fills the box `box` of
 * the picture: heads are about elliptic, so that their boxes grow less under rotation than the corners would say.
 */
export function boxThroughView(
  view: View,
  side: number,
  [x0, y0, x1, y1]: readonly [number, number, number, number],
): readonly [number, number, number, number] {
  const scale = side / view.size;
  const [a, b] = [((x1 - x0) / 2) * scale, ((y1 - y0) / 2) * scale];
  const [cos, sin] = [Math.cos(view.angle), Math.sin(view.angle)];
  const [x, y] = throughView(view, side, [(x0 + x1) / 2, (y0 + y1) / 2]);
  const [halfX, halfY] = [Math.hypot(a * cos, b * sin), Math.hypot(a * sin, b * cos)];
  return [x - halfX, y - halfY, x + halfX, y + halfY];
}
