/** Compares the working tree with another commit: both are benchmarked in turns, and the best of each counts. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BenchEntry } from './measure.ts';

/** Turns of each side: machines change their speed within minutes. */
const TURNS = 2;

/** Units in which more is better. */
const MORE_IS_BETTER: ReadonlySet<string> = new Set(['GFLOP/s', 'images/s']);

/**
 * Prints, entry by entry, how many times better the working tree is than `revision`.
 * @param only regular expression that names must match
 * @throws Error when the revision is unknown or has no bench
 */
export function compareWith(root: string, revision: string, only: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-compare-'));
  const other = path.join(folder, 'tree');
  run('git', ['worktree', 'add', '--detach', other, revision], root);
  try {
    if (!existsSync(path.join(other, 'bench/main.ts')))
      throw new Error(`${revision}: expected bench/main.ts, found none`);
    symlinkSync(path.join(root, 'node_modules'), path.join(other, 'node_modules'));
    const best = { other: new Map<string, BenchEntry>(), own: new Map<string, BenchEntry>() };
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [side, tree] of [
        ['other', other],
        ['own', root],
      ] as const) {
        console.log(`turn ${turn + 1} of ${TURNS}: ${side === 'own' ? 'working tree' : revision}`);
        for (const entry of benchmark(tree, only, folder)) keepBest(best[side], entry);
      }
    }
    for (const [name, own] of best.own) {
      const before = best.other.get(name);
      if (before === undefined) continue;
      const ratio = isMoreBetter(own) ? own.value / before.value : before.value / own.value;
      console.log(
        `${name.padEnd(66)} ${before.value.toPrecision(4)} -> ${own.value.toPrecision(4)} ${own.unit}, x${ratio.toFixed(2)}`,
      );
    }
  } finally {
    run('git', ['worktree', 'remove', '--force', other], root);
    rmSync(folder, { recursive: true, force: true });
  }
}

function benchmark(tree: string, only: string, folder: string): BenchEntry[] {
  const output = path.join(folder, 'results.json');
  run(process.execPath, ['--import', 'tsx', 'bench/main.ts', '--only', only, '--output', output], tree);
  return (JSON.parse(readFileSync(output, 'utf8')) as { entries: BenchEntry[] }).entries;
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')}: ${stderr.trim()}`);
}

function isMoreBetter({ unit }: BenchEntry): boolean {
  return MORE_IS_BETTER.has(unit);
}

function keepBest(best: Map<string, BenchEntry>, entry: BenchEntry): void {
  const known = best.get(entry.name);
  const better =
    known === undefined || (isMoreBetter(entry) ? entry.value > known.value : entry.value < known.value);
  if (better) best.set(entry.name, entry);
}
