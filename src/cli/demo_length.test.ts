import { describe, expect, it } from 'vitest';
import { demoIterations } from './demo_length.ts';

describe('the length of the demo', () => {
  it.each([0.07, 0.1, 0.13])('fills the time when a measured image takes %f s', (seconds) => {
    const images = 288;
    const measuring = seconds * images;
    const iterations = demoIterations({ elapsed: measuring + 5, measuring, images, minutes: 8 });
    const whole = measuring + 5 + 15 + iterations * 34 * seconds + measuring;
    expect(whole).toBeLessThanOrEqual(480);
    expect(whole).toBeGreaterThan(480 - 34 * seconds);
  });

  it('stays between bounds on very slow and very fast machines', () => {
    expect(demoIterations({ elapsed: 900, measuring: 890, images: 288, minutes: 8 })).toBe(60);
    expect(demoIterations({ elapsed: 5, measuring: 1, images: 288, minutes: 8 })).toBe(360);
  });

  it('refuses a measurement of nothing', () => {
    expect(() => demoIterations({ elapsed: 1, measuring: 1, images: 0, minutes: 8 })).toThrow(
      'images: expected at least 1, received 0',
    );
  });
});
