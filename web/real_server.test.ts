import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPngMetadata } from '../src/diffusion/image_metadata.ts';
import { openSafetensors } from '../src/weights/safetensors.ts';
import { temporaryFolder } from '../test/server/open_server.ts';
import { writeTinyJudgedModel } from '../test/tiny_judged_model.ts';
import type { RealServer } from './testing/real_server.ts';
import { startRealServer } from './testing/real_server.ts';
import type { WatchedPage } from './testing/watched_pages.ts';
import { watchPages } from './testing/watched_pages.ts';

const folder = temporaryFolder('real-server');
let server: RealServer;
let page: Page;
let forgive: WatchedPage['forgive'];

beforeAll(async () => {
  const model = path.join(folder.path, 'tiny');
  writeTinyJudgedModel(model, { seesFaces: true });
  server = await startRealServer(['--model', `tiny=${model}`, '--data', path.join(folder.path, 'data')]);
});

afterAll(async () => {
  const stopped = await server?.stop();
  folder.remove();
  expect(stopped).toMatchObject({ status: 0, output: expect.stringMatching(/stopping: /) });
});

const take = (opened: WatchedPage) => {
  ({ page, forgive } = opened);
};
// On a machine that others keep busy the server's worker processes may start slowly.
watchPages(take, { timeout: 110_000 });

const show = (fragment: string) => page.goto(`${server.url}/${fragment}`);
const button = (name: string) => page.getByRole('button', { name, exact: true });
const heading = (name: string) => page.getByRole('heading', { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });

describe('the terminal on a real server', () => {
  test('draws what a prompt says, and hands the image out with its metadata', async () => {
    await show('#/create');
    await field('Prompt').fill('two old women in a park');
    await page.getByRole('region', { name: 'Understood' }).getByText('gender female').waitFor();
    await field('Images').fill('2');
    await field('Seed').fill('41');
    await page.getByText('Negative prompt, steps, guidance, model').click();
    await field('Steps').fill('3');
    await button('Draw').click();
    await page.getByRole('button', { name: /in a park, seed 42$/ }).click();
    const waiting = page.waitForEvent('download');
    await page.getByRole('dialog', { name: 'Image' }).getByRole('link', { name: 'Download PNG' }).click();
    const { parameters } = readPngMetadata(readFileSync(await (await waiting).path()));
    expect(parameters).toMatchObject({
      prompt: 'two old women in a park',
      settings: { Seed: '42', Steps: '3', Model: 'tiny' },
    });
  });

  test('fine-tunes: what it costs, stopped and gone on, and the adapters side by side', async () => {
    await show('#/finetune');
    await field('Iterations').fill('40');
    await field('Images a prompt').fill('2');
    await field('Name of the adapter').fill('walk');
    await page.getByText('What is trained, learning rate, validation, stopping').click();
    for (const [label, value] of Object.entries({
      Rank: '2',
      'Sampling steps': '2',
      'Validate every': '20',
      'Checkpoint every': '1',
    })) {
      await field(label).fill(value);
    }
    await button('Estimate the cost').click();
    await page.getByText('for 40 iterations').waitFor();
    await button('Start').click();
    await page.getByText(/^Iteration \d+ of 40$/).waitFor();
    await button('Stop').click();
    await page.getByText(/^Stopped after \d+ of 40 iterations/).waitFor();
    await page.getByRole('link', { name: 'Last checkpoint’s adapter' }).waitFor();
    await button('Go on').click();
    await heading('Best checkpoint').waitFor();
    await page.getByText(/^Weights of the best validation: iteration (20|40), distance \.\d\d\.$/).waitFor();
    await heading('Loss (smoothed)').waitFor();
    await page.getByAltText('Validation images at iteration 40: rows in pairs, before above after').waitFor();
    await page.getByRole('link', { name: 'Try in Create' }).first().click();
    await expect.poll(() => field('Also without it, side by side').isChecked()).toBe(true);
    await field('Images').fill('1');
    await button('Draw').click();
    await page.getByRole('button', { name: /seed 7, without adapter$/ }).waitFor();
    await page.getByRole('button', { name: /seed 7, with walk-best$/ }).waitFor();
  });

  test('audits with the adapter: bars of both models while it draws, then the report', async () => {
    await show('#/audit');
    await page.getByText('My own').click();
    await field('One prompt a line').fill('a chef\na judge');
    await field('Images of each prompt').fill('8');
    await field('Adapter').selectOption({ label: 'walk' });
    await page.getByText('Steps, seed, named attributes, model').click();
    await field('Steps').fill('2');
    await button('Start the audit').click();
    for (const title of ['The model as it is', 'With the adapter']) {
      const measured = page.getByRole('region', { name: title });
      const row = measured.getByRole('table', { name: 'gender' }).getByRole('row', { name: /^female/ });
      await expect.poll(() => row.textContent()).toMatch(/^female\d+%\d+–\d+%50%$/);
      await measured.getByText('16 images, 16 faces').waitFor();
    }
    const report = page.getByRole('link', { name: 'Open the report' });
    await report.waitFor();
    const answer = await page.request.get((await report.getAttribute('href'))!);
    expect(await answer.text()).toContain('with and without adapter');
  });

  test('shows models, hands an adapter out, takes it back under another name, and deletes it', async () => {
    await show('#/models');
    await heading('tiny').waitFor();
    await page.getByText('unknown: no file of the model says').waitFor();
    const row = page.getByRole('listitem').filter({ has: heading('walk') });
    const waiting = page.waitForEvent('download');
    await row.getByRole('link', { name: 'Download' }).click();
    const download = await waiting;
    expect(download.suggestedFilename()).toBe('walk.safetensors');
    const file = path.join(folder.path, 'from elsewhere.safetensors');
    await download.saveAs(file);
    expect(JSON.parse(openSafetensors(file).metadata['evenhand.target']!)).toEqual({ gender: 'uniform' });
    await row.getByText('Export for another program').click();
    await row.getByLabel('Format').selectOption('diffusers');
    const exporting = page.waitForEvent('download');
    await row.getByRole('button', { name: 'Export', exact: true }).click();
    const exported = await exporting;
    expect(exported.suggestedFilename()).toBe('walk-diffusers.safetensors');
    await row.getByText('its header has the bias that the last audit measured').waitFor();
    await exported.saveAs(path.join(folder.path, 'exported.safetensors'));
    const { metadata } = openSafetensors(path.join(folder.path, 'exported.safetensors'));
    expect(JSON.parse(metadata['evenhand.bias']!)).toMatchObject({ gender: { after: { images: 16 } } });
    await page.getByText('Send an adapter from elsewhere').click();
    await field('File').setInputFiles(file);
    await expect.poll(() => field('Name').inputValue()).toBe('from-elsewhere');
    await button('Send').click();
    const sent = page.getByRole('listitem').filter({ has: heading('from-elsewhere') });
    await sent.getByText('gender: uniform').waitFor();
    await button('Send').click();
    await page.getByRole('alert').getByText('name: expected one that no adapter has').waitFor();
    forgive(/status of 409/);
    await sent.getByRole('button', { name: 'Delete…' }).click();
    await button('Delete from-elsewhere for good').click();
    await expect.poll(() => sent.count()).toBe(0);
  });
});
