import { expect, test } from 'vitest';
import { failureOf } from './src/api/errors.ts';

test('what failed says what to do, by the code of the server', () => {
  const failure = failureOf({ code: 'job_failed', message: 'train.targets: "nosuch" fits none of 58 names' });
  expect(failure.message).toMatch(/nosuch/);
  expect(failure.remedy).toBe('Change the settings that the message names and start again.');
});
