import { readFileSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPngMetadata } from '../src/diffusion/image_metadata.ts';
import { BUILT } from './testing/built_terminal.ts';
import type { StandIn } from './testing/stand_in_server.ts';
import { startStandIn } from './testing/stand_in_server.ts';
import type { WatchedPage } from './testing/watched_pages.ts';
import { watchPages } from './testing/watched_pages.ts';

let server: StandIn;
let context: BrowserContext;
let page: Page;
let forgive: WatchedPage['forgive'];

beforeAll(async () => {
  server = await startStandIn(BUILT, 10);
});
afterAll(() => server.close());
const openPage = watchPages((opened) => {
  ({ context, page, forgive } = opened);
});

const show = (fragment: string) => page.goto(`${server.url}${fragment}`);
const button = (name: string) => page.getByRole('button', { name, exact: true });
const group = (name: string) => page.getByRole('group', { name: `Group ${name}`, exact: true });
const heading = (name: string) => page.getByRole('heading', { name, exact: true });
const stored = (key: string) =>
  page.evaluate(`localStorage.getItem('evenhand.${key}')`).then((text) => JSON.parse(String(text)));

/** Runs a short fine-tuning and leaves its page open. */
async function finetuneBriefly(name: string): Promise<void> {
  await show('#/finetune');
  await page.getByLabel('Iterations', { exact: true }).fill('40');
  await page.getByLabel('Name of the adapter').fill(name);
  await button('Start').click();
  await heading('Best checkpoint').waitFor();
}

describe('Create', () => {
  test('draws with previews, shows one image large, downloads it with its metadata', async () => {
    await show('#/create');
    await page.getByLabel('Prompt', { exact: true }).fill('two old women in a park, watercolor');
    const understood = page.getByRole('region', { name: 'Understood' });
    await understood.getByText('gender female').waitFor();
    await expect.poll(() => understood.getByText('left to the model race').count()).toBe(1);
    await page.getByLabel('Images', { exact: true }).fill('3');
    await page.getByLabel('Seed', { exact: true }).fill('41');
    // Previews stand only until the image is there: the waiting begins before they can come.
    const preview = page
      .getByAltText(/^Preview after step/)
      .first()
      .waitFor();
    await page.getByLabel('Prompt', { exact: true }).press('Control+Enter');
    await preview;
    await page.getByRole('button', { name: /park, watercolor, seed 43$/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Image' });
    await dialog.getByRole('heading', { name: 'Seed 43' }).waitFor();
    const waiting = page.waitForEvent('download');
    await dialog.getByRole('link', { name: 'Download PNG' }).click();
    const download = await waiting;
    expect(download.suggestedFilename()).toBe('two-old-women-in-a-park-watercolor-43.png');
    const { parameters } = readPngMetadata(readFileSync(await download.path()));
    expect(parameters).toMatchObject({
      prompt: 'two old women in a park, watercolor',
      settings: { Seed: '43' },
    });
    await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count()).toBe(0);
  });

  test('keeps draft and images over a reload, and carries all settings in a link', async () => {
    await show('#/create');
    await page.getByLabel('Prompt', { exact: true }).fill('a photo of the face of a nurse, a person');
    await page.getByLabel('Images', { exact: true }).fill('2');
    await page.getByText('Negative prompt, steps, guidance, model').click();
    await page.getByLabel('Negative prompt').fill('hat');
    await page.getByLabel('Guidance').fill('2.5');
    await button('Draw').click();
    await page.getByRole('button', { name: /nurse, a person, seed 8$/ }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: /nurse, a person, seed 8$/ }).waitFor();
    await expect.poll(() => page.getByLabel('Prompt', { exact: true }).inputValue()).toMatch(/nurse/);
    const { settings } = (await stored('drawings'))[0];
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await button('Copy link').click();
    await page.getByText('Link copied.').waitFor();
    const link = String(await page.evaluate('navigator.clipboard.readText()'));
    await openPage();
    await page.goto(link);
    await expect.poll(() => stored('create')).toEqual(settings);
    await expect.poll(() => page.getByLabel('Prompt', { exact: true }).inputValue()).toMatch(/nurse/);
    expect(new URL(page.url()).hash).toBe('#/create');
  });

  test('sets images with and without an adapter side by side, from the same noise', async () => {
    await finetuneBriefly('side-by-side');
    await page.getByRole('link', { name: 'Try in Create' }).first().click();
    await expect.poll(() => page.getByLabel('Adapter').inputValue()).toMatch(/_best$/);
    await expect.poll(() => page.getByLabel('Also without it, side by side').isChecked()).toBe(true);
    await page.getByLabel('Images', { exact: true }).fill('2');
    await button('Draw').click();
    await page.getByRole('button', { name: /seed 8, without adapter$/ }).waitFor();
    await page.getByRole('button', { name: /seed 8, with side-by-side$/ }).waitFor();
  });

  test('draws with an adapter as strongly as the slider says', async () => {
    await finetuneBriefly('weaker');
    await page.getByRole('link', { name: 'Try in Create' }).first().click();
    const strength = page.getByRole('slider', { name: 'Strength' });
    await expect.poll(() => strength.inputValue()).toBe('1');
    const sent: (number | undefined)[] = [];
    page.on('request', (request) => {
      const isJob = request.method() === 'POST' && request.url().endsWith('/api/v1/jobs');
      if (isJob) sent.push(request.postDataJSON().adapterScale);
    });
    await button('Draw').click();
    await expect.poll(() => sent).toEqual([undefined, undefined]);
    await strength.fill('0.6');
    await strength.press('ArrowRight');
    await expect.poll(() => strength.inputValue()).toBe('0.65');
    await button('Draw').click();
    // The images without the adapter come first.
    await expect.poll(() => sent.slice(2)).toEqual([undefined, 0.65]);
    await page.getByText(/weaker.* at strength 0\.65/).waitFor();
    await expect.poll(async () => (await stored('drawings'))[0].settings.adapterScale).toBe(0.65);
    await page.getByLabel('Adapter').selectOption('');
    await expect.poll(() => strength.count()).toBe(0);
  });

  test('shows what the server refuses, with its message, field and what to do', async () => {
    server.failNext('/api/v1/jobs', 422, {
      error: { code: 'does_not_fit', message: 'expected a multiple of 4', field: 'width', requestId: 'r' },
    });
    await show('#/create');
    await button('Draw').click();
    const alert = page.getByRole('alert');
    await alert.getByText('width: expected a multiple of 4').waitFor();
    await expect.poll(() => alert.textContent()).toContain('Choose values that the model has');
    forgive(/status of 422/);
    await button('Draw').click();
    await page.getByRole('button', { name: /seed 7$/ }).waitFor();
    await expect.poll(() => alert.count()).toBe(0);
  });
});

describe('Audit', () => {
  test('measures own prompts against a target, live, and links the report', async () => {
    await show('#/audit');
    await page.getByText('My own').click();
    await page.getByLabel('One prompt a line').fill('a chef\n\na judge\n');
    await page.getByText('2 prompts').waitFor();
    const female = page.getByRole('slider', { name: 'female' });
    await female.fill('60');
    await expect.poll(() => page.getByLabel('male, percent', { exact: true }).inputValue()).toBe('40');
    await button('Start the audit').click();
    const table = page.getByRole('table', { name: 'gender' });
    await table.waitFor();
    await page.getByRole('link', { name: 'Open the report' }).waitFor();
    const row = table.getByRole('row', { name: /^female/ });
    await expect.poll(() => row.textContent()).toMatch(/^female\d+%\d+–\d+%60%$/);
    // Race was not aimed at: it is measured without a target.
    await expect.poll(() => page.getByRole('table', { name: 'race' }).textContent()).not.toContain('Target');
    await page.reload();
    await table.waitFor();
    await expect.poll(() => page.getByLabel('One prompt a line').inputValue()).toBe('a chef\n\na judge\n');
  });

  test('measures an adapter as strongly as the slider says, and soft tokens as they are', async () => {
    const sent: object[] = [];
    page.on('request', (request) => {
      const isJob = request.method() === 'POST' && request.url().endsWith('/api/v1/jobs');
      if (isJob && request.postDataJSON().kind === 'evaluate') sent.push(request.postDataJSON());
    });
    await finetuneBriefly('audited');
    await show('#/audit');
    const strength = page.getByRole('slider', { name: 'Strength' });
    await expect.poll(() => strength.count()).toBe(0);
    await page.getByLabel('Adapter').selectOption('audited');
    await strength.fill('0.5');
    await button('Start the audit').click();
    await expect.poll(() => sent).toMatchObject([{ adapterScale: 0.5 }]);
    await page.getByRole('link', { name: 'Open the report' }).waitFor();

    await show('#/finetune');
    await page.getByText('What is trained, learning rate, validation, stopping').click();
    await page.getByLabel('Trained part').selectOption('prompt');
    await finetuneBriefly('words');
    await show('#/audit');
    await expect.poll(() => strength.inputValue()).toBe('0.5');
    await page.getByLabel('Adapter').selectOption('words');
    await expect.poll(() => strength.count()).toBe(0);
    await button('Start the audit').click();
    await expect.poll(() => sent.length).toBe(2);
    expect(sent[1]).not.toHaveProperty('adapterScale');
    // The strength does not come back with an adapter that can have one.
    await page.getByLabel('Adapter').selectOption('audited');
    await expect.poll(() => strength.inputValue()).toBe('1');
  });

  test('measures groups of prompts, each against its own target, with a report of each', async () => {
    await show('#/audit');
    await page.getByText('By group of prompts').click();
    await button('Add a group').click();
    await group('sports').getByRole('slider', { name: 'female' }).fill('60');
    await page.getByLabel('Prompts of each group, at most').fill('3');
    await page.getByText('96 images in all.').waitFor();
    await button('Start the audit').click();
    await page.getByRole('link', { name: 'Open the report on sports' }).waitFor();
    for (const [name, share] of Object.entries({ occupations: '50%', sports: '60%' })) {
      const measured = page.getByRole('region', { name: `The model, ${name}` });
      const row = measured.getByRole('table', { name: 'gender' }).getByRole('row', { name: /^female/ });
      await expect.poll(() => row.textContent()).toContain(share);
    }
    await heading('gender on 2 groups').waitFor();
  });

  test('refuses a target that does not add up, and mends it', async () => {
    await show('#/audit');
    await page.getByRole('switch', { name: 'race' }).check();
    await page.getByLabel('asian, percent').fill('5');
    await page.getByText('20% are missing: the shares add up to 80%.').first().waitFor();
    await expect.poll(() => button('Start the audit').isDisabled()).toBe(true);
    await button('Scale to 100%').click();
    await expect.poll(() => button('Start the audit').isDisabled()).toBe(false);
  });
});

describe('Fine-tune', () => {
  test('estimates, starts, stops, goes on, and hands out the adapters', async () => {
    await show('#/finetune');
    await page.getByLabel('Images a prompt').fill('4');
    await page.getByRole('switch', { name: 'age' }).check();
    await page.getByLabel('young, percent').fill('90');
    await page.getByText('Not achievable with 4 images a prompt').waitFor();
    await page.getByLabel('Images a prompt').fill('16');
    await page.getByText(/^Achievable:/).waitFor();
    await page.getByLabel('Iterations', { exact: true }).fill('300');
    await page.getByLabel('Name of the adapter').fill('even-test');
    await button('Estimate the cost').click();
    await page.getByText('21 min').waitFor();
    await button('Start').click();
    await heading('Loss (smoothed)').waitFor();
    await button('Stop').click();
    await page.getByText(/^Stopped after/).waitFor();
    await page.getByRole('link', { name: 'Last checkpoint’s adapter' }).waitFor();
    const stoppedRun = page.url();
    await button('Go on').click();
    await page.getByText(/^Stopped after/).waitFor({ state: 'detached' });
    expect(page.url()).toBe(stoppedRun);
    await heading('Best checkpoint').waitFor();
    await page.getByText(/^Weights of the best validation: iteration \d+, distance \.\d\d\.$/).waitFor();
    await heading('Distance to the target, validated').waitFor();
    await page
      .getByAltText('Validation images at iteration 300: rows in pairs, before above after')
      .waitFor();
    await page.getByText('Iteration 300').first().waitFor();
    const waiting = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download' }).first().click();
    expect((await waiting).suggestedFilename()).toBe('even-test.safetensors');
  });

  test('aims each group of prompts at a target of its own: added, named, checked, removed and kept', async () => {
    await show('#/finetune');
    await page.getByText('By group of prompts').click();
    await group('occupations').waitFor();
    await button('Add a group').click();
    await page.getByText('Group sports added; there are 2.').waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toMatch(/^sports gender 50/);
    await group('sports').getByRole('slider', { name: 'female' }).fill('30');
    await button('Add a group').click();
    await page.getByText(/^Group no prompts yet: Write at least one prompt\.$/).waitFor();
    expect(await button('Start').isDisabled()).toBe(true);
    const third = group('no prompts yet');
    await third.getByLabel('Name of the group').fill('Sports');
    await page.getByText('Another group is called “sports”: give this one another name.').first().waitFor();
    await group('Sports').getByLabel('One prompt a line').fill('a person on a horse\na person on a pony');
    await group('Sports').getByLabel('Name of the group').fill('riders');
    await group('riders').getByRole('switch', { name: 'age' }).check();
    await group('riders').getByLabel('young, percent').fill('97');
    await page.getByText('riders: age, old: 3% of 16 images is less than one').waitFor();
    await group('riders').getByLabel('young, percent').fill('75');
    await page.getByText(/^Achievable:/).waitFor();
    await group('riders').getByLabel('Weight of the group').fill('0.25');
    await group('occupations').getByRole('button', { name: 'Remove group occupations' }).click();
    await page.getByText('Group occupations removed; 2 left.').waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Add a group');
    await page.reload();
    await group('riders').waitFor();
    await button('Start').click();
    await heading('gender, age: gender, age, 100 iterations').waitFor();
    const riders = { for: ['a person on a horse', 'a person on a pony'], name: 'riders' };
    expect(server.sent.at(-1)).toMatchObject({
      target: [
        { for: 'sports', gender: { female: 0.3, male: 0.7 } },
        { ...riders, weight: 0.25, gender: { female: 0.3, male: 0.7 }, age: { young: 0.75, old: 0.25 } },
      ],
      validation: { prompts: 4 },
    });
    await page.getByText('One for all').click();
    await expect.poll(() => page.getByLabel('Set', { exact: true }).inputValue()).toBe('occupations');
  });
});

describe('Models', () => {
  test('lists models and adapters, and deletes one after a second look', async () => {
    await finetuneBriefly('to-delete');
    await show('#/models');
    await heading('portraits').waitFor();
    await page.getByText('wmelh, asian, black, indian').waitFor();
    await page.getByText('Apache-2.0 (README.md)').waitFor();
    await expect.poll(() => heading('to-delete').count()).toBe(2);
    const row = page.getByRole('listitem').filter({ has: heading('to-delete') });
    await row.first().getByRole('button', { name: 'Delete…' }).click();
    await button('Delete to-delete for good').click();
    await expect.poll(() => heading('to-delete').count()).toBe(1);
  });

  test('exports an adapter for another program, by keyboard alone', async () => {
    await finetuneBriefly('to-export');
    await show('#/models');
    const row = page
      .getByRole('listitem')
      .filter({ has: heading('to-export') })
      .first();
    await row.getByText('Export for another program').focus();
    await page.keyboard.press('Enter');
    const form = row.locator('form');
    await page.keyboard.press('Tab');
    await expect.poll(() => page.evaluate('document.activeElement.labels[0].textContent')).toBe('Format');
    await page.keyboard.press('End');
    await form.getByText(/as a tar archive as large as the model/).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await expect.poll(() => form.getByLabel('In half precision').isChecked()).toBe(true);
    await page.keyboard.press('Tab');
    const waiting = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    const download = await waiting;
    expect(download.suggestedFilename()).toBe('to-export-merged.tar');
    expect(download.url()).toMatch(/format=merged&dtype=float16$/);
    await form.getByRole('status').getByText('3.2 GB; not audited yet').waitFor();
    await form.getByLabel('Format').selectOption('kohya');
    await expect.poll(() => form.getByRole('link').count()).toBe(0);
    server.failNext(new URL(download.url()).pathname, 422, {
      error: {
        code: 'does_not_fit',
        message: 'soft tokens cannot be written as kohya',
        field: 'format',
        requestId: 'r',
      },
    });
    await form.getByRole('button', { name: 'Export' }).click();
    await form.getByRole('alert').getByText('format: soft tokens cannot be written as kohya').waitFor();
    forgive(/status of 422/);
  });
});

describe('every page', () => {
  const PAGES = ['create', 'audit', 'finetune', 'models'];
  for (const theme of ['light', 'dark'] as const) {
    test(`is free of faults that axe finds, and fits a phone, in ${theme}`, async () => {
      await openPage({ colorScheme: theme, viewport: { width: 390, height: 844 } });
      await finetuneBriefly(`axe-${theme}`);
      const run = new URL(page.url()).hash;
      for (const name of ['finetune', 'audit']) {
        await show(`#/${name}`);
        await page.getByText('By group of prompts').click();
        await button('Add a group').click();
        await page.getByText('there are 2.').waitFor();
      }
      for (const fragment of [run, ...PAGES.map((name) => `#/${name}`)]) {
        await show(fragment);
        await page.getByRole('heading', { level: 1 }).waitFor();
        for (const closed of await page.getByText('Export for another program').all()) await closed.click();
        await page.getByRole('main').getByRole('heading', { level: 2 }).first().waitFor();
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => `${fragment} ${id}: ${nodes[0]!.html}`)).toEqual([]);
        const overflow = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        expect(overflow, fragment).toBeLessThanOrEqual(0);
      }
    });
  }

  for (const [fragment, names] of [
    ['audit', ['Start the audit']],
    ['finetune', ['Estimate the cost', 'Start']],
  ] as const) {
    test(`shows no form of ${fragment} before the models are known: targets need their attributes`, async () => {
      let answer = () => {};
      const held = new Promise<void>((resolve) => {
        answer = resolve;
      });
      await page.route('**/api/v1/models', async (route) => {
        await held;
        await route.continue();
      });
      await show(`#/${fragment}`);
      await page.getByText('Reading the models of the server…').waitFor();
      // Nothing of the form is there to be moved by what comes.
      for (const name of names) expect(await button(name).count()).toBe(0);
      answer();
      for (const name of names) await expect.poll(() => button(name).isEnabled()).toBe(true);
      await page.getByText('Reading the models of the server…').waitFor({ state: 'detached' });
    });
  }

  test('changes its theme by a switch that is kept, and its page by keyboard', async () => {
    await show('#/create');
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await expect.poll(background).toBe('rgb(247, 247, 245)');
    await page.getByRole('button', { name: /^Theme: system/ }).click();
    await page.getByRole('button', { name: /^Theme: light/ }).click();
    await expect.poll(background).toBe('rgb(16, 19, 21)');
    await page.reload();
    await expect.poll(background).toBe('rgb(16, 19, 21)');
    await page.getByRole('link', { name: 'Models' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Models');
    await expect.poll(() => page.title()).toBe('Models · Evenhand');
  });
});
