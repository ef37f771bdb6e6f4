import { expect, it } from 'vitest';
import { LossScale } from './loss_scale.ts';

it('halves at once, doubles after an interval of good steps, and starts counting anew after either', () => {
  const scale = new LossScale({ initial: 16, interval: 3 });
  const values = [true, true, true, true, true, false, true, true, true].map((wasFinite) => {
    scale.update(wasFinite);
    return scale.value;
  });
  expect(values).toEqual([16, 16, 32, 32, 32, 16, 16, 16, 32]);
});

it('stays within 1 and 2^24', () => {
  const low = new LossScale({ initial: 1 });
  low.update(false);
  expect(low.value).toBe(1);
  const high = new LossScale({ initial: 2 ** 24, interval: 1 });
  high.update(true);
  expect(high.value).toBe(2 ** 24);
});

it('goes on from a checkpoint as if it had not stopped', () => {
  const whole = new LossScale({ interval: 4 });
  for (let i = 0; i < 3; i++) whole.update(true);
  const resumed = new LossScale({ interval: 4 });
  resumed.restore(whole.state());
  for (const each of [whole, resumed]) each.update(true);
  expect(resumed.state()).toEqual(whole.state());
  expect(resumed.value).toBe(2 ** 16);
});

it.each([
  [{ initial: 0.5 }, /expected a number in 1..16777216, received 0.5/],
  [{ initial: Number.NaN }, /received NaN/],
  [{ interval: 0 }, /at least 1 step, received 0/],
])('refuses %o', (options, message) => {
  expect(() => new LossScale(options)).toThrow(message);
});
