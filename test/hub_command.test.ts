import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { modelName, resolveModel } from '../src/cli/models.ts';
import { sha256, startTestHub, type TestHub } from '../src/weights/hub/testing/hub_server.ts';
import { familyConfigs, layoutParts, randomFill, SMALL_SIZES, writeTensors } from './layouts.ts';
import { singleFileTensors } from './ldm_layout.ts';
import { runCli } from './run_cli.ts';
import { writeTinyModel } from './tiny_model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'hub-command-'));
const at = (...names: string[]) => path.join(folder, ...names);
const COMMIT = 'c'.repeat(40);
const VARIABLES = ['HF_ENDPOINT', 'HF_HOME', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE', 'HF_TOKEN'] as const;
const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
let hub: TestHub;

beforeAll(async () => {
  writeTinyModel(at('model'));
  hub = await startTestHub();
  const files = readdirSync(at('model'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => [path.relative(at('model'), file), readFileSync(file)] as const);
  hub.models.set('someone/tiny', { files: new Map(files), revisions: { main: COMMIT } });
});
beforeEach(() => {
  for (const name of VARIABLES) delete process.env[name];
  process.env.HF_ENDPOINT = hub.endpoint;
  process.env.HF_HOME = at('home');
});
afterAll(async () => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await hub.close();
  rmSync(folder, { recursive: true });
});

describe('evenhand models download', () => {
  it('brings a model into the cache, and says where it is', async () => {
    const { status, stdout, stderr } = await runCli(['models', 'download', 'someone/tiny']);
    expect(stderr).toMatch(/^download someone\/tiny \(MB\) 1\/1$/m);
    expect(status).toBe(0);
    const snapshot = at('home', 'hub', 'models--someone--tiny', 'snapshots', COMMIT);
    expect(stdout).toContain(`\n${snapshot}\n`);
    expect(resolveModel('someone/tiny')).toBe(snapshot);
    expect(resolveModel(`someone/tiny@${COMMIT}`)).toBe(snapshot);
    expect(modelName(snapshot)).toBe('someone/tiny');
    const again = await runCli(['models', 'download', 'someone/tiny', '--json']);
    expect(again.events().at(-1)).toMatchObject({
      event: 'result',
      received: 0,
      folder: snapshot,
      files: 10,
    });
    const other = await runCli([
      'models',
      'download',
      'someone/tiny',
      '--cache',
      at('other'),
      '--revision',
      COMMIT,
    ]);
    expect(other.stdout).toContain(at('other', 'models--someone--tiny', 'snapshots', COMMIT));
    const shown = await runCli(['models', 'someone/tiny']);
    expect(shown.stdout).toMatch(
      /someone\/tiny \(StableDiffusionPipeline\)(.|\n)*unet +UNet2DConditionModel +\d/,
    );
  });

  it.each([
    [['tiny'], 2, /expected a hub id such as organisation\/name, received tiny/],
    [['someone/tiny', '--revision', '../x'], 2, /with the revision ..\/x/],
    [['someone/other'], 1, /someone\/other: .* has no such model \(401, RepoNotFound\)/],
    [['someone/tiny', '--revision', 'v9'], 1, /has no revision v9/],
    [['someone/tiny', '--varaint', 'x'], 2, /Did you mean --variant.*\n*.*evenhand models download --help/],
  ])('refuses %j', async (args, expected, message) => {
    const { status, stderr } = await runCli(['models', 'download', ...args]);
    expect(stderr).toMatch(message);
    expect(status).toBe(expected);
  });
});

describe('a hub id as a model', () => {
  it('is downloaded when it is not there, and drawn with the same weights as its folder', async () => {
    process.env.HF_HUB_CACHE = at('cache');
    const draw = async (model: string, output: string) => {
      const args = ['generate', '-p', 'a cat', '--seed', '3', '--steps', '2', '--device', 'cpu', '--json'];
      const result = await runCli([...args, '--model', model, '--output', at(output)]);
      expect(result.status).toBe(0);
      return result.stdout;
    };
    expect(() => resolveModel('someone/tiny')).toThrow(
      /the cache of the hub does not have.*evenhand models download/,
    );
    expect(await draw('someone/tiny', 'by id')).toContain('is not on this machine: asking http://127.0.0.1');
    hub.seen.length = 0;
    process.env.HF_HUB_OFFLINE = '1';
    await draw('someone/tiny', 'again');
    expect(hub.seen).toEqual([]);
    await draw(at('model'), 'by folder');
    const idat = (output: string) => {
      const png = readFileSync(at(output, '00000-3.png'));
      return sha256(png.subarray(png.indexOf('IDAT')));
    };
    expect(idat('by id')).toBe(idat('by folder'));
    expect(idat('again')).toBe(idat('by folder'));
  });

  it('says what was looked for and where when it may not be downloaded', async () => {
    process.env.HF_HUB_CACHE = at('empty');
    process.env.HF_HUB_OFFLINE = '1';
    const { status, stderr } = await runCli([
      'generate',
      '-p',
      'x',
      '--model',
      'someone/tiny',
      '-o',
      at('none'),
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/HF_HUB_OFFLINE forbids the network: there is no .*empty\/models--someone--tiny/);
  });
});

describe('evenhand models', () => {
  it('shows a single-file checkpoint', async () => {
    const file = at('checkpoint.safetensors');
    writeTensors(file, singleFileTensors(layoutParts(familyConfigs(1, SMALL_SIZES[1]), randomFill()), 1));
    const { status, stdout } = await runCli(['models', file]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/unet +UNet2DConditionModel +[\d.]+ M parameters.*F32/);
    expect(stdout).toMatch(/text_encoder +CLIPTextModel +[\d.]+ M parameters/);
    expect(stdout).toMatch(/tokenizer +CLIPTokenizer$/m);
  });
});
