import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { createTarget, uniformTarget } from '../fairness/target_distribution.ts';
import { measureAttribute } from './attribute_result.ts';
import { compareAttribute } from './comparison.ts';
import { countsCsv, reportHtml, reportJson, summaryCsv, writeReport } from './report.ts';
import { shortenPrompts } from './report_charts.ts';
import type { ReportData } from './report_data.ts';

const gender = uniformTarget([{ name: 'gender', classes: ['male', 'female'] }]);
const bootstrap = () => ({
  random: createGenerator({ seed: 9, stream: 'report test' }).uniform,
  resamples: 200,
});

/** Predictions of 40 images, `women` of them women, 2 without a face. */
function images(women: number): number[] {
  return Array.from({ length: 40 }, (_, i) => (i < women ? 1 : i < 38 ? 0 : -1));
}

const prompts = ['a photo of a "nurse" & <b>cook</b>', '=HYPERLINK("x")', 'a pilot'];
const before = measureAttribute(
  prompts.map((prompt) => ({ prompt, classes: images(4) })),
  gender,
  bootstrap(),
);
const after = measureAttribute(
  prompts.map((prompt, i) => ({ prompt, classes: images(17 + i) })),
  gender,
  bootstrap(),
);
const data: ReportData = {
  title: 'Report <script>alert(1)</script>',
  summary: 'Before & after',
  created: '2026-11-25T10:00:00Z',
  setup: {
    model: { name: 'portraits', hash: 'sha256:abc' },
    adapter: { name: 'adapter"onload="x' },
    seeds: '1000 to 1039',
    sampler: 'DPM-Solver++ 2M',
    steps: 30,
    guidanceScale: 7.5,
    classifiers: [{ name: 'gender', hash: 'sha256:def' }],
    more: { rank: 50 },
  },
  evaluations: [
    { label: 'original', attributes: [before] },
    {
      label: 'fine-tuned',
      attributes: [after],
      quality: [{ name: 'CLIP-T', count: 120, mean: 0.39, standardDeviation: 0.02, better: 'higher' }],
    },
  ],
  changes: [compareAttribute(before, after, bootstrap())],
  charts: [
    {
      kind: 'line',
      caption: 'Training',
      chart: {
        title: 'Loss </svg>',
        description: 'd',
        xLabel: 'iteration',
        yLabel: 'loss',
        series: [
          {
            label: 'a',
            points: [
              { x: 0, y: 1 },
              { x: 1, y: 0.5 },
            ],
          },
        ],
      },
    },
  ],
  images: [{ png: Uint8Array.of(137, 80, 78, 71), alternative: 'a "sheet"', caption: 'Sheet' }],
  notes: ['A note.'],
};

describe('compareAttribute', () => {
  it('pairs prompts and gives the change of both means', () => {
    const change = compareAttribute(before, after, bootstrap());
    expect(change.prompts).toBe(3);
    expect(change.bias.estimate).toBeCloseTo(after.bias.mean - before.bias.mean, 12);
    expect(change.totalVariation.estimate).toBeCloseTo(
      after.totalVariation.mean - before.totalVariation.mean,
      12,
    );
    expect(change.bias.low).toBeLessThan(change.bias.estimate);
    expect(change.bias.high).toBeLessThan(0);
  });

  it('refuses results of different targets or without a common prompt', () => {
    const other = createTarget(gender.attributes, [0.25, 0.75]);
    const skewed = measureAttribute([{ prompt: 'a pilot', classes: [0] }], other, bootstrap());
    expect(() => compareAttribute(before, skewed, bootstrap())).toThrow(/one attribute and target/);
    const apart = measureAttribute([{ prompt: 'a cook', classes: [0] }], gender, bootstrap());
    expect(() => compareAttribute(before, apart, bootstrap())).toThrow(/share no prompt/);
  });
});

describe('reportHtml', () => {
  const html = reportHtml(data);

  it('shows the numbers of both evaluations, their floors and the setup', () => {
    expect(html).toContain(before.bias.mean.toFixed(3));
    expect(html).toContain(after.bias.floor!.toFixed(3));
    for (const text of [
      'sha256:abc',
      '1000 to 1039',
      'DPM-Solver++ 2M, 30 steps',
      'CLIP-T',
      '<dt>rank</dt><dd>50',
    ]) {
      expect(html).toContain(text);
    }
    expect(html).toContain('<td>no</td>');
    expect(html).toContain('<td>yes</td>');
    expect(html).toContain('data:image/png;base64,iVBORw==');
  });

  it('escapes everything that a user wrote', () => {
    expect(html).not.toContain('<script');
    expect(html).not.toContain('<b>cook');
    expect(html).not.toContain('Loss </svg>');
    expect(html).toContain('&quot;nurse&quot; &amp; &lt;b&gt;cook&lt;/b&gt;');
    expect(html).toContain('adapter&quot;onload=&quot;x');
  });

  it('lets wide tables be scrolled with the keyboard, and breaks long names', () => {
    expect(html).toMatch(/<div class="scroll" tabindex="0" role="region" aria-label="[^"]+"><table>/);
    expect(html).toMatch(/body \{[^}]*overflow-wrap: break-word/);
  });

  it('is well formed: every element closes, ids are unique and every reference resolves', () => {
    const open: string[] = [];
    const empty = new Set(['meta', 'img', 'br']);
    for (const [, slash, name, rest] of html.matchAll(/<(\/?)([a-zA-Z][\w]*)([^>]*)>/g)) {
      if (slash) expect(open.pop()).toBe(name);
      else if (!rest!.endsWith('/') && !empty.has(name!)) open.push(name!);
    }
    expect(open).toEqual([]);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!);
    expect(ids.length).toBeGreaterThan(4);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, references] of html.matchAll(/aria-labelledby="([^"]+)"/g)) {
      for (const id of references!.split(' ')) expect(ids).toContain(id);
    }
  });

  it('loads nothing from elsewhere', () => {
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toContain('http://');
  });

  it('stands for a single evaluation, and for one without a face', () => {
    const none = measureAttribute([{ prompt: 'a tree', classes: [-1, -1] }], gender, bootstrap());
    const single = reportHtml({
      title: 'One',
      created: data.created,
      setup: data.setup,
      evaluations: [{ label: 'original', attributes: [none] }],
    });
    expect(single).toContain('no faces');
    expect(single).not.toContain('NaN');
    expect(single).not.toContain('Change of bias');
    expect(single).not.toContain('undefined');
  });
});

describe('shortenPrompts', () => {
  it.each([
    [
      ['a photo of a cook, a person', 'a photo of a bus driver, a person'],
      ['cook', 'bus driver'],
    ],
    [
      ['a cook', 'a pilot'],
      ['cook', 'pilot'],
    ],
    [
      ['a cook', 'a cook'],
      ['a cook', 'a cook'],
    ],
    [
      ['a photo', 'a photo of x'],
      ['a photo', 'a photo of x'],
    ],
    [['only one'], ['only one']],
    [[], []],
  ])('%j', (prompts, short) => expect(shortenPrompts(prompts)).toEqual(short));
});

describe('numbers', () => {
  it('come back from JSON unchanged, those of charts too, without the images themselves', () => {
    const read = JSON.parse(reportJson(data));
    expect(read.evaluations).toEqual(JSON.parse(JSON.stringify(data.evaluations)));
    expect(read.evaluations[1].attributes[0].bias.mean).toBe(after.bias.mean);
    expect(read.changes[0].bias.estimate).toBe(data.changes![0]!.bias.estimate);
    expect(read.charts).toEqual(JSON.parse(JSON.stringify(data.charts)));
    expect(read.images).toEqual([{ alternative: 'a "sheet"', caption: 'Sheet' }]);
  });

  it('come as CSV with quoted text, and no text that a spreadsheet would run', () => {
    const rows = countsCsv(data).trimEnd().split('\r\n');
    expect(rows.length).toBe(1 + 2 * 3 * 2);
    expect(rows[1]).toBe(
      'original,gender,"a photo of a ""nurse"" & <b>cook</b>",40,38,' +
        `${before.prompts[0]!.bias},${before.prompts[0]!.totalVariation},male,34,${34 / 38},0.5`,
    );
    expect(rows[3]).toContain(`"'=HYPERLINK(""x"")"`);
    const summary = summaryCsv(data).trimEnd().split('\r\n');
    expect(summary.length).toBe(3);
    const [head, first] = summary.map((row) => row.split(','));
    expect(first![head!.indexOf('bias_floor')]).toBe(String(before.bias.floor));
    expect(first![head!.indexOf('faces')]).toBe('114');
  });
});

describe('writeReport', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'evenhand-report-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('writes its files into a new folder and leaves nothing else', () => {
    const files = writeReport(join(folder, 'new', 'report'), data);
    const names = readdirSync(join(folder, 'new', 'report')).sort();
    expect(names).toEqual(['counts.csv', 'prompts.csv', 'report.html', 'report.json', 'summary.csv']);
    expect(files.images).toBeNull();
    expect(readFileSync(files.html, 'utf8')).toBe(reportHtml(data));
    expect(readFileSync(files.summary, 'utf8')).toBe(summaryCsv(data));
  });

  it('refuses a report without an evaluation', () => {
    expect(() => writeReport(folder, { ...data, evaluations: [] })).toThrow(/at least one evaluation/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
