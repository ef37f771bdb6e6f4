/** Looks at the machine and the installation: what works, what doesn't, and what to do about it. */

import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import path from 'node:path';
import { listDevices } from '../graph/index.ts';
import { COMPANIONS, companionsOf, folderBytes, formatBytes, summarizeModel } from './models.ts';
import { PORTRAITS, packagePath, packageVersion } from './package.ts';

/** One thing that was looked at. */
export interface Finding {
  /** `bad` keeps Evenhand from working; `note` doesn't. */
  readonly state: 'good' | 'note' | 'bad';
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
}

/** What was found. */
export interface Diagnosis {
  /** Whether nothing is `bad`. */
  readonly works: boolean;
  readonly sections: readonly { readonly title: string; readonly findings: readonly Finding[] }[];
}

const GIB = 2 ** 30;

/** Memory below which Portraits may not fit, and below which Stable Diffusion 1.5 gets tight, in GiB. */
const MEMORY = Object.freeze({ portraits: 2, stableDiffusion: 16 });

/** Looks at everything; devices are tried one after the other, which takes seconds. */
export async function diagnose(): Promise<Diagnosis> {
  const sections = [
    { title: 'Program', findings: [...program()] },
    { title: 'Machine', findings: [...machine()] },
    { title: 'Devices', findings: await devices() },
    { title: 'Shipped model', findings: [...shippedModel()] },
    { title: 'Licences', findings: [...licences()] },
  ];
  const works = sections.every(({ findings }) => findings.every(({ state }) => state !== 'bad'));
  return { works, sections };
}

function* program(): Generator<Finding> {
  yield { state: 'good', text: `Evenhand ${packageVersion()}` };
  const { engines } = readPackage(packagePath('package.json')) as { engines: { node: string } };
  const needed = engines.node.replace('>=', '');
  yield isAtLeast(process.versions.node, needed)
    ? { state: 'good', text: `Node.js ${process.versions.node} (${process.platform} ${process.arch})` }
    : {
        state: 'bad',
        text: `Node.js ${process.versions.node}, expected ${needed} or later`,
        advice: 'install a later Node.js from nodejs.org or with your version manager',
      };
  const runtime = dependencyVersion('onnxruntime-node');
  yield runtime === null
    ? { state: 'bad', text: 'onnxruntime-node is missing', advice: 'run: npm ci' }
    : { state: 'good', text: `ONNX Runtime ${runtime}` };
}

function* machine(): Generator<Finding> {
  const threads = availableParallelism();
  yield {
    state: 'good',
    text: `${threads} processor threads, ${cpus()[0]?.model.trim() ?? 'unknown model'}`,
  };
  const total = totalmem() / GIB;
  const text = `${total.toFixed(1)} GiB of memory, ${(freemem() / GIB).toFixed(1)} GiB of it free`;
  if (total < MEMORY.portraits) {
    yield { state: 'bad', text, advice: `Portraits needs about ${MEMORY.portraits} GiB` };
  } else if (total < MEMORY.stableDiffusion) {
    const advice =
      'enough for Portraits; Stable Diffusion 1.5 takes up to 10 GiB to draw two images at 512x512, and more to be fine-tuned';
    yield { state: 'note', text, advice };
  } else yield { state: 'good', text };
  const { bavail, bsize } = statfsSync('.');
  const free = bavail * bsize;
  yield free < 2 * GIB
    ? {
        state: 'note',
        text: `${formatBytes(free)} free on this disk`,
        advice: 'runs and caches take about 2 GB',
      }
    : { state: 'good', text: `${formatBytes(free)} free on this disk` };
}

async function devices(): Promise<Finding[]> {
  const reports = await listDevices();
  return reports.map(({ device, available, milliseconds, reason }) => {
    if (available) {
      return { state: 'good', text: `${device}: 1024x1024 matrix product in ${milliseconds!.toFixed(1)} ms` };
    }
    const state = device === 'cpu' ? 'bad' : 'note';
    return {
      state,
      text: `${device}: not here`,
      ...(reason === undefined ? {} : { advice: reason.replaceAll(/\s+/g, ' ') }),
    };
  });
}

function* shippedModel(): Generator<Finding> {
  try {
    const { components } = summarizeModel(PORTRAITS);
    const parameters = components.reduce((sum, component) => sum + component.parameters, 0);
    yield {
      state: 'good',
      text: `Portraits is whole: ${(parameters / 1e6).toPrecision(3)} M parameters, ${formatBytes(folderBytes(PORTRAITS))}`,
    };
  } catch (error) {
    yield {
      state: 'bad',
      text: `Portraits cannot be opened: ${(error as Error).message}`,
      advice: 'install Evenhand again, or give --model with a folder of your own',
    };
    return;
  }
  const found = companionsOf(PORTRAITS);
  const missing = COMPANIONS.filter((name) => !found.includes(name));
  yield missing.length === 0
    ? { state: 'good', text: `companions: ${COMPANIONS.join(', ')}` }
    : {
        state: 'bad',
        text: `companions missing: ${missing.join(', ')}`,
        advice: 'fine-tuning and measuring need them; install Evenhand again',
      };
}

function* licences(): Generator<Finding> {
  yield {
    state: 'good',
    text: 'Evenhand and Portraits: Apache-2.0 (LICENSE; shipped third-party parts in NOTICE)',
  };
  const { dependencies } = readPackage(packagePath('package.json')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys(dependencies)) {
    const found = dependencyPackage(name) as { version: string; license?: string } | null;
    yield found === null
      ? { state: 'bad', text: `${name} is missing`, advice: 'run: npm ci' }
      : { state: 'good', text: `${name} ${found.version}: ${found.license ?? 'see its package'}` };
  }
}

function dependencyVersion(name: string): string | null {
  return (dependencyPackage(name) as { version: string } | null)?.version ?? null;
}

/** package.json of an installed dependency, or `null`. */
function dependencyPackage(name: string): unknown {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const file = path.join(folder, name, 'package.json');
    if (existsSync(file)) return readPackage(file);
  }
  return null;
}

function readPackage(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Whether a version of three numbers is at least another. */
function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a![i] ?? 0) - (b![i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
