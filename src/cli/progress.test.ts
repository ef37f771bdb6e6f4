import { describe, expect, it } from 'vitest';
import { createProgress, formatDuration, formatNumber } from './progress.ts';

function recorder(isTTY: boolean) {
  const pieces: string[] = [];
  return { pieces, stream: { write: (text: string) => pieces.push(text), isTTY, columns: 60 } };
}

describe('createProgress', () => {
  it('writes few plain lines where there is no terminal: the first, one every ten seconds, the last', () => {
    const { pieces, stream } = recorder(false);
    let time = 0;
    const progress = createProgress({ display: stream, output: stream, now: () => time });
    for (let step = 0; step <= 25; step++) {
      progress.update({ task: 'train', step, steps: 25, numbers: { loss: 1 / (step + 1) } });
      time += 1000;
    }
    expect(pieces).toEqual([
      'train 0/25, loss 1\n',
      'train 10/25, loss 0.09091, 15 s left\n',
      'train 20/25, loss 0.04762, 5 s left\n',
      'train 25/25, loss 0.03846\n',
    ]);
  });

  it('redraws one bar on a terminal, clears it for notes, and never fills more than the line', () => {
    const { pieces, stream } = recorder(true);
    let time = 0;
    const progress = createProgress({ display: stream, output: stream, now: () => time });
    progress.update({ task: 'draw', step: 1, steps: 4, numbers: { 'a long name of a number': 123456.789 } });
    time += 50;
    progress.update({ task: 'draw', step: 2, steps: 4 });
    time += 60;
    progress.update({ task: 'draw', step: 3, steps: 4, secondsLeft: 61 });
    progress.note('a remark');
    progress.update({ task: 'draw', step: 4, steps: 4 });
    progress.finish();
    expect(pieces.every((piece) => piece.length < 60)).toBe(true);
    expect(pieces.filter((piece) => piece.includes('draw 2/4'))).toEqual([]);
    expect(pieces[2]).toBe('███████████░░░░ draw 3/4, 1 min 1 s left');
    expect(pieces.slice(3)).toEqual(['\r\x1b[2K', 'a remark\n', '███████████████ draw 4/4', '\n']);
  });

  it('writes one JSON object a line for programs', () => {
    const { pieces, stream } = recorder(false);
    const progress = createProgress({ json: true, output: stream, display: stream });
    progress.note('hello');
    progress.update({ task: 'draw', step: 1, steps: 2 });
    progress.result({ files: ['a.png'] });
    progress.finish();
    expect(pieces.map((piece) => JSON.parse(piece))).toEqual([
      { event: 'note', text: 'hello' },
      { event: 'progress', task: 'draw', step: 1, steps: 2 },
      { event: 'result', files: ['a.png'] },
    ]);
  });
});

describe('formats', () => {
  it.each([
    [0, '0 s'],
    [0.4, '0 s'],
    [59.6, '1 min'],
    [200, '3 min 20 s'],
    [3600, '1 h'],
    [7500, '2 h 5 min'],
    [273_600, '3 d 4 h'],
  ])('%d seconds as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it.each([
    [3, '3'],
    [0.5, '0.5'],
    [0.123456, '0.1235'],
    [0.000123456, '1.23e-4'],
    [12345678.9, '1.23e+7'],
    [Number.NaN, 'NaN'],
  ])('%d as %s', (value, text) => expect(formatNumber(value)).toBe(text));
});
