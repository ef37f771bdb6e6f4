/** The whole test run, `npm test`: system packages, build, checks, tests and parity; the last line adds them up. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SWIFT_FOLDER } from '../src/server/testing/swift.ts';
import type { Tally } from './check.ts';
import { runChecks, runCommand } from './check.ts';
import { ROOT } from './source_files.ts';

const FAILED: Tally = { passed: 0, failed: 1 };
const PASSED: Tally = { passed: 1, failed: 0 };

/** A Vulkan driver in software that comes with Debian's chromium: the WebGPU device is tested on it. */
const SOFTWARE_VULKAN = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Where Debian's PostgreSQL lies, a folder for each version: the server's tests start it. */
const POSTGRESQL = '/usr/lib/postgresql';

/** Installs what the tests need besides npm packages, where it is missing. */
function setUpSystem(): Tally {
  const missing = () => [SOFTWARE_VULKAN, POSTGRESQL, SWIFT_FOLDER].filter((file) => !existsSync(file));
  if (missing().length === 0) return PASSED;
  spawnSync('sh', ['scripts/setup_system.sh'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  const left = missing();
  if (left.length === 0) return PASSED;
  console.error(
    `expected ${left.join(' and ')} (Debian packages chromium, postgresql and python3-swift), on which the WebGPU ` +
      'device and the server are tested, found none; run: sudo scripts/setup_system.sh',
  );
  return FAILED;
}

/** The part of vitest's JSON report that is added up. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

/** Runs every test; one that is skipped or whose file can't be loaded counts as failed. */
function runTests(): Tally {
  const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-test-'));
  try {
    const file = path.join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const status = runCommand(['vitest', 'run', ...reporters]);
    if (!existsSync(file)) return FAILED;
    const report = JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
    const broken = report.testResults.filter(
      ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
    ).length;
    const failed = report.numTotalTests - report.numPassedTests + broken;
    // An error outside any test shows in the exit status alone.
    return { passed: report.numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compares with the golden numbers of public implementations; every case counts. */
function runParity(): Tally {
  const { stdout, status } = spawnSync('node_modules/.bin/tsx', ['scripts/parity.ts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.stdout.write(stdout ?? '');
  const counts = /^(\d+) of (\d+) cases within tolerance$/m.exec(stdout ?? '');
  if (counts === null) return FAILED;
  const [passed, cases] = [Number(counts[1]), Number(counts[2])];
  return { passed, failed: cases === passed && status !== 0 ? 1 : cases - passed };
}

/** Steps in the order in which they run; each runs even if one before it failed. */
const STEPS: readonly (readonly [string, () => Tally])[] = [
  ['system packages', setUpSystem],
  ['build', () => (runCommand(['tsc', '-p', 'tsconfig.build.json']) === 0 ? PASSED : FAILED)],
  ['terminal', () => (runCommand(['vite', 'build', 'web']) === 0 ? PASSED : FAILED)],
  ['checks', runChecks],
  ['tests', runTests],
  ['parity', runParity],
];

const lines: string[] = [];
let passed = 0;
let failed = 0;
for (const [name, run] of STEPS) {
  const started = performance.now();
  console.log(`\n== ${name}`);
  const tally = run();
  passed += tally.passed;
  failed += tally.failed;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  lines.push(`${name}: ${tally.passed} passed, ${tally.failed} failed, ${seconds} s`);
}
console.log(`\n${lines.join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
