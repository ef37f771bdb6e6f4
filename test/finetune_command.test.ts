/** The command `finetune` on a tiny model with tiny judges: its files, and going on after the process was killed. */

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { writeFaceBank } from '../src/faces/index.ts';
import { writeCompanion } from '../src/faces/testing/companions.ts';
import { runCli } from './run_cli.ts';
import { writeTinyModel } from './tiny_model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'finetune-command-'));
const model = path.join(folder, 'model');
const config = path.join(folder, 'run.yaml');
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const at = (...names: string[]) => path.join(folder, ...names);
const argumentsOf = (name: string) => [
  'finetune',
  config,
  '--device',
  'cpu',
  '--threads',
  '1',
  '--json',
  '-o',
  at(name),
];

beforeAll(() => {
  writeTinyModel(model);
  for (const name of ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino'])
    writeCompanion(model, name);
  const embeddings = gaussianNoise({ seed: 8 }, 20 * 10);
  writeFaceBank(path.join(model, 'face_bank.safetensors'), { embeddings, dimension: 10 });
  writeFileSync(
    config,
    `model: ${model}
output: unused
target: { gender: uniform }
train: { part: text-encoder+unet, rank: 2, dropout: 0.2 }
prompts: { train: [a nurse, a pilot], imagesPerPrompt: 3 }
microBatch: 2
judges: { dino: null }
guard: { dino: dino, semanticsDrop: 0 }
sampler: { steps: [2, 3], guidanceScale: 3 }
gradient: { timesteps: 2 }
optimizer: { iterations: 10, learningRate: 0.01 }
validation: { every: 5, prompts: 1, imagesPerPrompt: 3, steps: 2, best: { metric: guard semantics dino, goal: largest } }
checkpointEvery: 2
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('evenhand finetune', () => {
  it('says what it will cost, warns, and leaves adapter, best, page, samples and events', async () => {
    const result = await runCli(argumentsOf('whole'));
    expect(result.stderr).toBe('');
    expect(result.status).toBe(0);
    const notes = result.events().flatMap(({ event, text }) => (event === 'note' ? [String(text)] : []));
    expect(notes.find((note) => note.startsWith('an iteration:'))).toMatch(
      /^an iteration: 3 images, .* U-Net evaluations an image and step, .* trained numbers; peak memory about .* GiB; about .* for the 10 to come$/,
    );
    expect(notes.some((note) => /warning, iteration (5|10): semantics dino fell/.test(note))).toBe(true);
    const outcome = result.events().at(-1)!;
    expect(outcome).toMatchObject({ command: 'finetune', iterations: 10, stopped: null });
    for (const name of [
      'adapter.safetensors',
      'best.safetensors',
      'index.html',
      'config.yaml',
      'log.jsonl',
    ]) {
      expect(existsSync(at('whole', name)), name).toBe(true);
    }
    expect(readdirSync(at('whole', 'samples')).sort()).toEqual(['00000005.png', '00000010.png']);
    expect(readdirSync(at('whole', 'tensorboard'))).toHaveLength(1);
    const page = readFileSync(at('whole', 'index.html'), 'utf8');
    expect(page).toContain('10 of 10 iterations, finished; best validation so far: guard semantics dino');
    expect(page).toContain('semantics dino fell');
    const drawn = await runCli([
      ...['generate', '--model', model, '--device', 'cpu', '--json', '-p', 'a cook', '--steps', '2'],
      ...['--adapter', at('whole', 'best.safetensors'), '-o', at('drawn')],
    ]);
    expect(drawn.status, drawn.stderr).toBe(0);
  });

  it('maximises a score of the user beside fairness, and refuses a file that is none before any work', async () => {
    const short = ['--set', 'optimizer.iterations=1', '--set', 'validation.every=0'];
    const brightness = fileURLToPath(new URL('../configs/brightness.mjs', import.meta.url));
    const result = await runCli([...argumentsOf('bright'), ...short, '--objective', brightness]);
    expect(result.stderr).toBe('');
    const { loss, metrics } = JSON.parse(readFileSync(at('bright', 'log.jsonl'), 'utf8'));
    expect(metrics['score brightness']).toBeGreaterThan(-1.5);
    const plain = JSON.parse(readFileSync(at('whole', 'log.jsonl'), 'utf8').split('\n')[0]!);
    expect(loss).toBeCloseTo(plain.loss - metrics['score brightness'], 3);
    const missing = await runCli([...argumentsOf('none'), '--objective', 'nowhere.onnx']);
    expect(missing.stderr).toMatch(
      /objective: expected a \.js, \.mjs or \.onnx file, found none at nowhere\.onnx/,
    );
    expect(existsSync(at('none'))).toBe(false);
  });

  it('goes on after kill -9, with a model that was moved meanwhile, and comes to the same bits', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...argumentsOf('killed')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (data) => {
      said += data;
    });
    const exited = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const log = at('killed', 'log.jsonl');
    const linesOf = (file: string) =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
    const lines = () => linesOf(log);
    while (lines() < 3 && child.exitCode === null) await sleep(5);
    child.kill('SIGKILL');
    expect(await exited, said).toBe('SIGKILL');
    expect(lines()).toBeLessThan(linesOf(at('whole', 'log.jsonl')));
    cpSync(model, at('moved', 'model'), { recursive: true });
    const result = await runCli([...argumentsOf('killed'), '--set', `model=${at('moved', 'model')}`]);
    expect(result.status, result.stderr).toBe(0);
    for (const name of ['adapter.safetensors', 'best.safetensors']) {
      expect(readFileSync(at('killed', name)).equals(readFileSync(at('whole', name))), name).toBe(true);
    }
    const numbers = (name: string) =>
      readFileSync(at(name, 'log.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => ({ ...JSON.parse(line), seconds: 0 }));
    expect(numbers('killed')).toEqual(numbers('whole'));
  });

  it('leaves the run of another configuration as it is', async () => {
    const configuration = readFileSync(at('whole', 'config.yaml'), 'utf8');
    const other = await runCli([...argumentsOf('whole'), '--set', 'seed=9']);
    expect(other.status).not.toBe(0);
    expect(other.stderr).toMatch(
      /whole: expected checkpoints of configuration \w+, received \w+; choose another output folder/,
    );
    expect(readFileSync(at('whole', 'config.yaml'), 'utf8')).toBe(configuration);
  });

  it('names what it does not know', async () => {
    const wrong = await runCli([...argumentsOf('none'), '--set', 'train.targets=[to_kk]']);
    expect(wrong.status).not.toBe(0);
    expect(wrong.stderr).toMatch(/train\.targets: "to_kk" fits none of \d+ names; nearest: to_k/);
    const guard = await runCli([...argumentsOf('none'), '--set', 'judges.dino=dino']);
    expect(guard.stderr).toMatch(/guard\.dino: expected a model that is not in the loss/);
    const exact = await runCli([...argumentsOf('none'), '--set', 'gradient.mode=unadjusted']);
    expect(exact.stderr).toMatch(/gradient\.timesteps: expected no subset in the mode unadjusted/);
    expect(exact.status).toBe(2);
  });
});
