/** When previews of images that are being drawn are shown. */

/** Which of `count` previews, spread evenly over the steps before the last, is due after a step; null for none. */
export function previewAt(step: number, steps: number, count: number): number | null {
  for (let preview = 0; preview < Math.min(count, steps - 1); preview++) {
    if (Math.round(((preview + 1) * steps) / (Math.min(count, steps - 1) + 1)) === step) return preview;
  }
  return null;
}
