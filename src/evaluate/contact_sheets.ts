/**
 * Contact sheets of evaluations, for light and dark pages: a row of each model's images from the same noise, prompt by
 * prompt, each image with the predicted classes and their confidence (as in figure 8 of the specification).
 */

import type { AttributeHead } from '../faces/index.ts';
import type { JudgedImage } from './evaluate.ts';
import { darkTheme, lightTheme } from './figures/theme.ts';
import { contactSheet } from './figures.ts';
import type { ReportImage } from './report_data.ts';

/** Pixels of an image's side on the sheet. */
const TILE = 96;

/**
 * Draws the sheets.
 * @param models kept images of each model, in order: before, after
 * @param heads attributes whose predictions are shown
 */
export async function contactSheets(
  models: readonly { readonly label: string; readonly kept: readonly JudgedImage[] }[],
  heads: readonly AttributeHead[],
): Promise<ReportImage> {
  const first = models[0]!;
  const prompts = [...new Set(first.kept.map(({ prompt }) => prompt))];
  const rows = prompts.flatMap((prompt) =>
    models.map(({ label, kept }) => ({ label, images: kept.filter((image) => image.prompt === prompt) })),
  );
  const columns = Math.max(...rows.map(({ images }) => images.length));
  const tile = (judged: JudgedImage, label: string) => ({
    ...judged.image,
    caption: models.length > 1 ? `${label} ${judged.seed}` : `seed ${judged.seed}`,
    bars: heads.map(({ name, classes }) => {
      const found = judged.attributes[name];
      return found ? { class: classes.indexOf(found.name), confidence: found.probability } : null;
    }),
  });
  const labels = models.map(({ label }) => label);
  const sheet = {
    title: models.length > 1 ? 'Before and after, from the same noise' : 'Images, a row a prompt',
    ...(models.length > 1
      ? { subtitle: `rows of each prompt from top to bottom: ${labels.join(', ')}` }
      : {}),
    attributes: heads,
    tiles: rows.flatMap(({ label, images }) => images.map((image) => tile(image, label))),
    columns,
    tileSize: TILE,
  };
  const subjects = prompts.map((prompt) => `"${prompt}"`).join(', ');
  return {
    png: await contactSheet({ ...sheet, theme: lightTheme }),
    darkPng: await contactSheet({ ...sheet, theme: darkTheme }),
    alternative:
      models.length > 1
        ? `Images of ${labels.join(' and ')} model from the same noise for ${subjects}`
        : `Generated images for ${subjects}`,
    caption: `Prompts from top to bottom: ${subjects}.`,
    tiles: rows.flatMap(({ label, images }) =>
      images.map(({ prompt, seed, attributes }) => ({
        evaluation: label,
        prompt,
        seed,
        attributes: Object.fromEntries(heads.map(({ name }) => [name, attributes[name] ?? null])),
      })),
    ),
  };
}
