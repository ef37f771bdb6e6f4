/** The models against golden numbers of the public implementations. */

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkParity, modelCheckers } from './check_all.ts';
import { describeCase, passes } from './comparison.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));

describe('parity', () => {
  test.each(modelCheckers)(
    '$folder agrees with its golden numbers',
    async (checker) => {
      const results = await checkParity(fixtures, [checker]);
      expect(results.length).toBeGreaterThan(0);
      expect(results.filter((result) => !passes(result)).map(describeCase)).toEqual([]);
    },
    // Half a minute on an idle machine.
    600_000,
  );
});
