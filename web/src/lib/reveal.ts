/** On narrow pages results stand below the form: brings them into view once something was started. */

/** Widest page on which results stand below, as in `layout.css`. */
const NARROW = '(width < 62rem)';

/** Scrolls to the results after the next drawing of the page; wide pages show them already. */
export function revealResults(): void {
  if (!matchMedia(NARROW).matches) return;
  requestAnimationFrame(() => document.querySelector('.results')?.scrollIntoView());
}
