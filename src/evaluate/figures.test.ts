import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { linearScale, logScale } from './figures/axes.ts';
import { fitText, strokeText, textWidth, wrapText } from './figures/stroke_font.ts';
import { hasGlyph } from './figures/stroke_glyphs.ts';
import { escapeMarkup } from './figures/svg.ts';
import type { ContactSheet, FigureStyle, Tile } from './figures.ts';
import {
  comparisonBars,
  contactSheet,
  darkTheme,
  dotPlot,
  lightTheme,
  lineChart,
  rasterizeSvg,
  smooth,
  stackedBars,
} from './figures.ts';

const strokes: FigureStyle = { theme: lightTheme, labels: 'strokes' };

async function pixelsOf(png: Uint8Array) {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [
    ...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3),
  ];
  return { data, width: info.width, height: info.height, at };
}

const colour = (hex: string) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));

describe('built-in typeface', () => {
  it('has every printable ASCII character and the letters of western names', () => {
    const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    for (const character of `${printable}±×–—…→éèêëñçüöäåãšßøæ`.normalize('NFD')) {
      expect(hasGlyph(character), character).toBe(true);
    }
    expect(hasGlyph('中')).toBe(false);
  });

  it('leaves ink where a letter is, as wide as it says', async () => {
    const size = 40;
    const text = 'Evenhand 0.84';
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="60">${strokeText(text, 20, 45, size, '#000')}</svg>`;
    const image = await sharp(rasterizeSvg(svg)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    let [left, right] = [1e9, -1];
    for (let i = 0; i < image.info.width * image.info.height; i++) {
      if (image.data[4 * i + 3]! < 40) continue;
      left = Math.min(left, i % image.info.width);
      right = Math.max(right, i % image.info.width);
    }
    expect(Math.abs(left - 20)).toBeLessThan(4);
    expect(Math.abs(right - 20 - textWidth(text, size))).toBeLessThan(4);
  });

  it('draws a cross for a character that it lacks, and accents for those it has', () => {
    expect(strokeText('中', 0, 0, 10, '#000')).toContain('M0 0L8-13');
    expect(strokeText('é', 0, 0, 10, '#000').match(/<path/g)!.length).toBe(2);
  });

  it('cuts and wraps text to a width', () => {
    const text = 'electrical and electronics repairer';
    const cut = fitText(text, 12, 100);
    expect(cut.endsWith('…')).toBe(true);
    expect(textWidth(cut, 12)).toBeLessThanOrEqual(100);
    expect(fitText(text, 12, 1000)).toBe(text);
    const lines = wrapText(text, 12, 110, 2);
    expect(lines.length).toBe(2);
    expect(lines.join(' ')).toBe('electrical and electronics repairer');
    expect(wrapText('a b c d e f g h', 12, 20, 2).at(-1)).toMatch(/…$/);
    expect(wrapText('', 12, 20, 2)).toEqual([]);
  });
});

describe('scales', () => {
  it.each([
    [0, 0.67, ['0.0', '0.1', '0.2', '0.3', '0.4', '0.5', '0.6', '0.7']],
    [0, 10_000, ['0', '2k', '4k', '6k', '8k', '10k']],
    [-1, 1, ['-1.0', '-0.5', '0.0', '0.5', '1.0']],
    [0.0012, 0.0061, ['0.001', '0.002', '0.003', '0.004', '0.005', '0.006', '0.007']],
  ])('ticks of %f to %f', (low, high, expected) => {
    const scale = linearScale(low, high, 0, 100, 6);
    expect(scale.ticks.map(scale.format)).toEqual(expected);
    expect(scale(scale.ticks[0]!)).toBeCloseTo(0, 9);
    expect(scale(scale.ticks.at(-1)!)).toBeCloseTo(100, 9);
  });

  it('gives powers of ten on a logarithmic scale', () => {
    const scale = logScale(0.0002, 3, 100, 0);
    expect(scale.ticks.map(scale.format)).toEqual(['1e-4', '0.001', '0.01', '0.1', '1', '10']);
    expect(scale(0.0001)).toBeCloseTo(100, 9);
    expect(scale(Math.sqrt(1e-4 * 10))).toBeCloseTo(50, 9);
  });

  it('survives a single value', () => {
    for (const value of [0, 5, -3]) expect(linearScale(value, value, 0, 1).ticks.length).toBeGreaterThan(1);
  });
});

describe('smooth', () => {
  it('averages without the bias of the start and skips gaps', () => {
    expect(smooth([4, 4, 4], 0.9).map((x) => Number(x.toFixed(12)))).toEqual([4, 4, 4]);
    const [a, b, c] = smooth([1, Number.NaN, 3], 0.5);
    expect(a).toBe(1);
    expect(b).toBeNaN();
    expect(c).toBeCloseTo((0.25 * 1 + 0.5 * 3) / 0.75, 12);
    expect(smooth([1, 2], 0)).toEqual([1, 2]);
    expect(() => smooth([1], 1)).toThrow(/weight from 0 up to 1, received 1/);
  });
});

describe('charts', () => {
  const line = {
    title: 'Loss',
    description: 'falls',
    xLabel: 'iteration',
    yLabel: 'loss',
    series: [{ label: 'a', points: [0, 1, 2, 3].map((x) => ({ x, y: x === 2 ? Number.NaN : x })) }],
  };

  it('interrupts a line at a value that is not finite', () => {
    const paths = [...lineChart(line).matchAll(/<path[^>]* d="([^"]*)"/g)].map((match) => match[1]!);
    expect(paths[0]!.match(/M/g)!.length).toBe(2);
    expect(paths[0]).not.toContain('NaN');
  });

  it('leaves values that are not positive out of a logarithmic chart', () => {
    const svg = lineChart({ ...line, yScale: 'log' });
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('survives no points and no rows', () => {
    const none = { title: 't', description: 'd', series: [], xLabel: 'x', yLabel: 'y' };
    for (const svg of [
      lineChart({ ...none, series: [{ label: 'a', points: [] }] }),
      comparisonBars({ ...none, groups: [] }),
      stackedBars({ ...none, classes: [], rows: [] }),
      dotPlot({ ...none, rows: [] }),
    ]) {
      expect(svg).not.toMatch(/NaN|Infinity/);
    }
  });

  it('draws bars as high as their values, and the floor between them', () => {
    const svg = comparisonBars({
      title: 'Bias',
      description: '',
      yLabel: 'bias',
      series: ['before', 'after'],
      groups: [
        {
          label: 'gender',
          bars: [{ value: 0.8 }, { value: 0.2, interval: { low: 0.1, high: 0.3 } }],
          floor: 0.1,
        },
      ],
    });
    const heights = [...svg.matchAll(/<rect[^>]*height="([\d.]+)"[^>]*rx="2" fill="var\(--series-(\d)/g)]
      .map(([, height]) => Number(height))
      .filter((height) => height !== 12);
    expect(heights.length).toBe(2);
    expect(heights[0]! / heights[1]!).toBeCloseTo(4, 1);
    expect(svg).toContain('noise floor');
    expect(svg).toContain('0.80');
  });

  it('fills a bar with its classes in proportion', async () => {
    const rows = [{ label: 'p', shares: [0.25, 0.75] }];
    const svg = stackedBars({ title: 't', description: '', classes: ['a', 'b'], rows }, strokes);
    const { data } = await pixelsOf(rasterizeSvg(svg));
    const count = (hex: string) => {
      const [r, g, b] = colour(hex);
      let pixels = 0;
      for (let i = 0; i < data.length; i += 3)
        if (data[i] === r && data[i + 1] === g && data[i + 2] === b) pixels++;
      return pixels;
    };
    const legend = 12 * 12;
    const ratio = (count('#d55e00') - legend) / (count('#0072b2') - legend);
    expect(ratio).toBeGreaterThan(2.5);
    expect(ratio).toBeLessThan(3.5);
  });

  it('writes accessible text and escapes it', () => {
    const svg = dotPlot({
      title: 'Old <people>',
      description: '"d" & e',
      xLabel: 'x',
      series: ['a'],
      rows: [{ label: "it's", values: [0.5] }],
    });
    expect(svg).toContain('role="img"');
    expect(svg).toContain('<title id="figure-title">Old &lt;people&gt;</title>');
    expect(svg).toContain('&quot;d&quot; &amp; e');
    expect(escapeMarkup('a\u0000b\u0007\ud800c')).toBe('abc');
  });

  it('refuses to rasterise what would vanish', () => {
    expect(() => rasterizeSvg(lineChart(line))).toThrow(/labels: 'strokes'/);
    expect(() => rasterizeSvg(lineChart(line, { labels: 'strokes' }))).toThrow(/plain theme/);
    expect(rasterizeSvg(lineChart(line, strokes), 2).length).toBeGreaterThan(1000);
  });

  it('keeps series colours apart from the page and from each other', () => {
    const luminance = (hex: string) => {
      const [r, g, b] = colour(hex).map((v) =>
        v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const contrast = (a: string, b: string) => {
      const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
      return (x! + 0.05) / (y! + 0.05);
    };
    for (const theme of [lightTheme, darkTheme]) {
      expect(contrast(theme.ink, theme.surface)).toBeGreaterThan(7);
      expect(contrast(theme.muted, theme.surface)).toBeGreaterThan(4.5);
      for (const { fill, ink } of theme.series) expect(contrast(fill, ink)).toBeGreaterThan(3);
      for (const { fill } of theme.series.slice(0, 4))
        expect(contrast(fill, theme.surface)).toBeGreaterThan(3);
    }
  });
});

describe('contactSheet', () => {
  const tile = (rgb: number[], bars: Tile['bars']): Tile => ({
    pixels: Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => rgb[i % 3]!),
    width: 16,
    height: 16,
    bars,
  });
  const sheet: ContactSheet = {
    title: 'Sheet',
    attributes: [{ name: 'gender', classes: ['male', 'female'] }],
    columns: 2,
    tileSize: 64,
    tiles: [
      tile([200, 10, 10], [{ class: 1, confidence: 0.9 }]),
      tile([10, 200, 10], [{ class: 0, confidence: 0.5 }]),
      tile([10, 10, 200], [null]),
    ],
  };

  it('places the images in rows and bars in the class colour, as long as the confidence', async () => {
    const { data, width, height } = await pixelsOf(await contactSheet(sheet));
    expect(width).toBe(16 + 64 + 10 + 64 + 16);
    const boundsOf = (rgb: number[], top = 0) => {
      let [left, right, upper, lower] = [1e9, -1, 1e9, -1];
      for (let y = top; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const i = 3 * (y * width + x);
          if (rgb.some((value, c) => Math.abs(data[i + c]! - value) > 2)) continue;
          [left, right] = [Math.min(left, x), Math.max(right, x)];
          [upper, lower] = [Math.min(upper, y), Math.max(lower, y)];
        }
      }
      return { left, right, upper, lower };
    };
    const red = boundsOf([200, 10, 10]);
    expect([red.left, red.right, red.lower - red.upper]).toEqual([16, 79, 63]);
    const green = boundsOf([10, 200, 10]);
    expect([green.left, green.right, green.upper]).toEqual([90, 153, red.upper]);
    const blue = boundsOf([10, 10, 200]);
    expect([blue.left, blue.right]).toEqual([16, 79]);
    expect(blue.upper).toBeGreaterThan(red.lower + 20);
    // Below the first row of images: the bar of class 1 fills 90% of its track, that of class 0 half of an equal one.
    const female = boundsOf(colour(lightTheme.series[1]!.fill), red.lower + 1);
    const male = boundsOf(colour(lightTheme.series[0]!.fill), red.lower + 1);
    expect((female.right - female.left + 1) / (male.right - male.left + 1)).toBeGreaterThan(1.5);
    expect((female.right - female.left + 1) / (male.right - male.left + 1)).toBeLessThan(2.1);
  });

  it.each([
    [
      'bytes',
      { tiles: [{ ...sheet.tiles[0]!, width: 15 }] },
      /image 0: expected 720 bytes of RGB, received 768/,
    ],
    ['bars', { tiles: [{ ...sheet.tiles[0]!, bars: [] }] }, /image 0: expected 1 bars, received 0/],
    [
      'class',
      { tiles: [tile([0, 0, 0], [{ class: 2, confidence: 1 }])] },
      /'gender' has classes 0 to 1, received 2/,
    ],
    ['columns', { columns: 0 }, /columns from 1, received 0/],
    ['size', { columns: 400 }, /at most 16384 pixels/],
  ])('refuses wrong %s', async (_, change, message) => {
    await expect(contactSheet({ ...sheet, ...change })).rejects.toThrow(message);
  });
});
