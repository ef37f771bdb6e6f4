import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { FinetuneSettings, RunSnapshot } from '../finetune/settings.ts';
import { writeLivePage } from './live_page.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'live-page-'));
afterAll(() => rmSync(directory, { recursive: true }));

const settings = {
  iterations: 100,
  directory,
  validation: { every: 5, prompts: ['a "nurse" & <b>'], imagesPerPrompt: 4, samplingSteps: 5 },
} as unknown as FinetuneSettings;
const texts = {
  title: 'Fine-tuning of Portraits: gender',
  cost: 'an iteration: 16 images',
  configuration: 'seed: 1\nnote: <script>',
};
const line = (iteration: number) => {
  const validation = {
    'bias gender': 0.5,
    distance: 0.2,
    'distance low': 0.1,
    'distance high': 0.3,
    'distance floor': 0.15,
    'guard realism': 0.7,
  };
  return JSON.stringify({
    iteration,
    prompt: 'x',
    loss: iteration === 7 ? null : 3 / iteration,
    gradientNorm: 0.1 * iteration,
    metrics: { 'bias gender': 0.4, faces: 1, align: 0.2 },
    ...(iteration % 5 === 0 ? { validation } : {}),
    ...(iteration === 10 ? { warnings: ['realism fell <a lot>'] } : {}),
  });
};

function snapshot(fields: Partial<RunSnapshot>): RunSnapshot {
  return { settings, iteration: 20, secondsLeft: 90, best: null, stopped: null, samples: null, ...fields };
}

describe('the page of a run', () => {
  mkdirSync(path.join(directory, 'samples'));
  const png = path.join(directory, 'samples', '1.png');
  writeFileSync(png, 'not really an image');
  writeFileSync(
    path.join(directory, 'log.jsonl'),
    `${Array.from({ length: 20 }, (_, i) => line(i + 1)).join('\n')}\n`,
  );

  it('shows curves, samples, warnings and the configuration, escaped, and loads itself again', () => {
    const best = { iteration: 15, metric: 'distance', value: 0.2 };
    const file = writeLivePage(snapshot({ samples: png, best }), texts);
    const page = readFileSync(file, 'utf8');
    expect(file).toBe(path.join(directory, 'index.html'));
    expect(page).toContain('http-equiv="refresh"');
    expect(page).toContain(
      '20 of 100 iterations, 1 min 30 s left; best validation so far: distance 0.2 at 15',
    );
    for (const title of [
      'Loss',
      'Gradient norm',
      'Bias',
      'Distance to the target',
      'What the guard sees',
      'Parts of the loss',
    ]) {
      expect(page).toContain(title);
    }
    expect(page).toContain('iteration 10: realism fell &lt;a lot&gt;');
    expect(page).toContain(`data:image/png;base64,${Buffer.from('not really an image').toString('base64')}`);
    expect(page).toContain('note: &lt;script&gt;');
    expect(page).not.toMatch(/<script|<b>|NaN|https?:\/\/(?!www\.w3\.org)/);
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('stays as it is once the run is over', () => {
    const over = readFileSync(writeLivePage(snapshot({ iteration: 100 }), texts), 'utf8');
    expect(over).not.toContain('http-equiv="refresh"');
    expect(over).toContain('100 of 100 iterations, finished');
    const stopped = readFileSync(writeLivePage(snapshot({ stopped: 'close enough' }), texts), 'utf8');
    expect(stopped).not.toContain('http-equiv="refresh"');
    expect(stopped).toContain('20 of 100 iterations, stopped: close enough');
  });

  it('is drawn before there is anything in the log', () => {
    const empty = mkdtempSync(path.join(directory, 'empty-'));
    const page = readFileSync(
      writeLivePage(snapshot({ settings: { ...settings, directory: empty } }), texts),
      'utf8',
    );
    expect(page).toContain('Loss');
    expect(page).not.toContain('NaN');
  });
});
