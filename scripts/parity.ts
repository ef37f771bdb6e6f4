/** Compares the implementation with golden numbers of the public ones: one line a case, exit status 1 when one is off. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkParity, modelCheckers } from '../src/models/parity/check_all.ts';
import { describeCase, passes } from '../src/models/parity/comparison.ts';

const USAGE = 'usage: npm run parity -- [--fixtures FOLDER] [CHECKER ...]';

/** Every checker, in the order in which data flows. */
const checkers = [...modelCheckers];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    fixtures: { type: 'string', default: fileURLToPath(new URL('../test/fixtures', import.meta.url)) },
  },
});
const unknown = positionals.filter((name) => !checkers.some((checker) => checker.folder === name));
if (unknown.length > 0) {
  const known = checkers.map((checker) => checker.folder).join(', ');
  throw new Error(`${USAGE}\nexpected checkers among ${known}, received ${unknown.join(', ')}`);
}
const chosen = checkers.filter(({ folder }) => positionals.length === 0 || positionals.includes(folder));
const results = await checkParity(values.fixtures, chosen, (result) => console.log(describeCase(result)));
const failed = results.filter((result) => !passes(result)).length;
console.log(`${results.length - failed} of ${results.length} cases within tolerance`);
if (failed > 0 || results.length === 0) process.exitCode = 1;
