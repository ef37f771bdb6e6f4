import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../../test/tiny_model.ts';
import { openStoredModel } from '../stored_model.ts';
import { modelOfSnapshot } from './cache.ts';
import { cachedModel, type DownloadOptions, downloadModel, findInCache } from './download.ts';
import { parseHubId } from './hub_id.ts';
import type { HubSettings } from './settings.ts';
import { gitHash, type ServedModel, sha256, startTestHub, type TestHub } from './testing/hub_server.ts';

const root = mkdtempSync(path.join(tmpdir(), 'hub-'));
const COMMIT = 'a'.repeat(40);
const ID = 'someone/tiny';
const UNET = 'unet/diffusion_pytorch_model.safetensors';
const tiny = new Map<string, Buffer>();
let hub: TestHub;
let cache: string;

beforeAll(async () => {
  const model = path.join(root, 'model');
  writeTinyModel(model);
  for (const entry of readdirSync(model, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) tiny.set(path.relative(model, file), readFileSync(file));
  }
  hub = await startTestHub();
});
afterAll(async () => {
  await hub.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  cache = mkdtempSync(path.join(root, 'cache-'));
  hub.seen.length = 0;
  hub.models.set(ID, { files: tiny, revisions: { main: COMMIT } });
});
afterEach(() => {
  hub.models.clear();
  hub.faults = {};
});

function settings(fields: Partial<HubSettings> = {}): HubSettings {
  return { endpoint: hub.endpoint, token: null, offline: false, cache, ...fields };
}

function download(options: DownloadOptions = {}, fields: Partial<HubSettings> = {}, name = ID) {
  return downloadModel(parseHubId(name)!, settings(fields), {
    retryDelay: () => 0,
    onProgress: ({ path: file }) => hub.received(file, sizeOf(`${blob(file)}.incomplete`)),
    ...options,
  });
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Serves the tiny model with files added, replaced, or left out (null). */
function serve(
  changes: Readonly<Record<string, string | Buffer | null>>,
  more: Partial<ServedModel> = {},
): void {
  const files = new Map(tiny);
  for (const [name, content] of Object.entries(changes)) {
    if (content === null) files.delete(name);
    else files.set(name, Buffer.from(content));
  }
  hub.models.set(ID, { files, revisions: { main: COMMIT }, ...more });
}

const repository = () => path.join(cache, 'models--someone--tiny');
const blob = (name: string) => path.join(repository(), 'blobs', sha256(tiny.get(name) ?? Buffer.alloc(0)));
const requestsOf = (name: string) => hub.seen.filter((each) => each.path.endsWith(name));

describe('downloading a model', () => {
  it('brings what a pipeline needs into the layout that the libraries share, and nothing else', async () => {
    const others = ['README.md', 'model.ckpt', 'tiny.safetensors', 'unet/diffusion_pytorch_model.bin']
      .concat([
        'unet/model.onnx',
        'unet/flax_model.msgpack',
        'safety_checker/model.safetensors',
        'vae/notes/config.json',
      ])
      .concat(['unet/diffusion_pytorch_model.fp16.safetensors']);
    serve({
      ...Object.fromEntries(others.map((name) => [name, `content of ${name}`])),
      'face_detector/config.json': '{}',
      'face_detector/model.safetensors': 'x'.repeat(2000),
      'dino_evaluation/config.json': '{}',
      'face_embedder_evaluation/config.json': '{}',
      'face_bank_evaluation.safetensors': 'bank',
      'face_bank_others.safetensors': 'another bank',
    });
    const progress: number[] = [];
    const found = await download({ onProgress: ({ bytes, total }) => progress.push(bytes / total) });
    expect(found).toMatchObject({ commit: COMMIT, folder: path.join(repository(), 'snapshots', COMMIT) });
    const companions = [
      'face_detector/config.json',
      'face_detector/model.safetensors',
      'dino_evaluation/config.json',
      'face_embedder_evaluation/config.json',
      'face_bank_evaluation.safetensors',
    ];
    const wanted = [...tiny.keys(), ...companions];
    const brought = readdirSync(found.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(found.folder, path.join(entry.parentPath, entry.name)));
    expect(brought.sort()).toEqual(wanted.sort());
    expect(found.files).toBe(wanted.length);
    expect(found.received).toBe(found.bytes);
    for (const [name, content] of tiny)
      expect(sha256(readFileSync(path.join(found.folder, name)))).toBe(sha256(content));
    expect(lstatSync(path.join(found.folder, UNET)).isSymbolicLink()).toBe(true);
    expect(readlinkSync(path.join(found.folder, UNET))).toBe(`../../../blobs/${sha256(tiny.get(UNET)!)}`);
    const index = tiny.get('model_index.json')!;
    expect(readlinkSync(path.join(found.folder, 'model_index.json'))).toBe(`../../blobs/${gitHash(index)}`);
    expect(readFileSync(path.join(repository(), 'refs/main'), 'utf8')).toBe(COMMIT);
    expect(readdirSync(path.join(repository(), 'blobs')).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual(
      [],
    );
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    expect(openStoredModel(found.folder).openModel('unet').weights.names().length).toBeGreaterThan(100);
    expect(modelOfSnapshot(found.folder)).toEqual({ id: ID, commit: COMMIT });
  });

  it('asks nothing again for what is there, and finds what another program has cached', async () => {
    const first = await download();
    hub.seen.length = 0;
    expect(await cachedModel(parseHubId(ID)!, settings(), {})).toBe(first.folder);
    expect(hub.seen).toEqual([]);
    expect(await download()).toMatchObject({ received: 0, folder: first.folder });
    expect(hub.seen.filter((each) => each.path.includes('resolve'))).toEqual([]);
    // huggingface_hub without symbolic links keeps plain files in the snapshot.
    const link = path.join(first.folder, UNET);
    rmSync(link);
    writeFileSync(link, tiny.get(UNET)!);
    expect(findInCache(parseHubId(ID)!, settings())).toMatchObject({ folder: first.folder });
    const offline = settings({ offline: true });
    expect(await downloadModel(parseHubId(ID)!, offline)).toMatchObject({
      folder: first.folder,
      received: 0,
    });
  });

  it('brings a newer commit beside the old one, sharing the files that are the same', async () => {
    const first = await download();
    const newer = 'b'.repeat(40);
    const scheduler = tiny.get('scheduler/scheduler_config.json')!;
    serve({ 'scheduler/scheduler_config.json': `${scheduler} ` }, { revisions: { main: newer, v1: COMMIT } });
    expect(await cachedModel(parseHubId(ID)!, settings())).toBe(first.folder);
    const second = await download();
    expect(second.folder).toBe(path.join(repository(), 'snapshots', newer));
    expect(second.received).toBe(scheduler.length + 1);
    hub.models.clear();
    for (const revision of [`@${newer}`, `@${COMMIT}`, '']) {
      const found = findInCache(parseHubId(`${ID}${revision}`)!, settings());
      expect(found.folder).toBe(revision === `@${COMMIT}` ? first.folder : second.folder);
    }
  });

  it('takes the variant, plain weights where a component has none of it, and shards', async () => {
    const half = Buffer.from(`half ${'x'.repeat(2000)}`);
    serve({
      'unet/diffusion_pytorch_model.fp16.safetensors': half,
      'text_encoder/model.safetensors': null,
      'text_encoder/model.safetensors.index.json': '{}',
      'text_encoder/model-00001-of-00002.safetensors': 'one',
      'text_encoder/model-00002-of-00002.safetensors': 'two',
    });
    const { folder } = await download({ variant: 'fp16' });
    const there = (name: string) => existsSync(path.join(folder, name));
    expect(there('unet/diffusion_pytorch_model.fp16.safetensors')).toBe(true);
    expect(there(UNET)).toBe(false);
    expect(there('vae/diffusion_pytorch_model.safetensors')).toBe(true);
    expect(there('text_encoder/model-00002-of-00002.safetensors')).toBe(true);
    expect(findInCache(parseHubId(ID)!, settings(), 'fp16').folder).toBe(folder);
    expect(findInCache(parseHubId(ID)!, settings(), 'ema')).toMatchObject({ reason: /variant ema/ });
    rmSync(path.join(folder, 'text_encoder/model-00002-of-00002.safetensors'));
    expect(findInCache(parseHubId(ID)!, settings(), 'fp16')).toMatchObject({ reason: /1 of 2 shards/ });
  });

  it('shows the token to the hub and not to the host that it sends on to', async () => {
    serve({}, { tokens: ['hf_right'] });
    await download({}, { token: 'hf_right' });
    const told = (host: string) =>
      new Set(hub.seen.filter((each) => each.host === host).map((each) => each.authorization));
    expect(told('hub')).toEqual(new Set(['Bearer hf_right']));
    expect(told('storage')).toEqual(new Set([null]));
  });
});

describe('a download that is cut', () => {
  it('goes on where it was, within one command and after another', async () => {
    hub.faults = { cuts: new Map([[UNET, [1000, 500]]]) };
    const { folder } = await download();
    expect(sha256(readFileSync(path.join(folder, UNET)))).toBe(sha256(tiny.get(UNET)!));
    const ranges = hub.seen.filter(({ host, path: at }) => host === 'storage' && at.endsWith(UNET));
    expect(ranges.map(({ range }) => range)).toEqual([null, 'bytes=1000-', 'bytes=1500-']);

    rmSync(repository(), { recursive: true });
    hub.faults = { cuts: new Map([[UNET, [3000, 0, 0, 0, 0, 0, 0]]]) };
    await expect(download()).rejects.toThrow(/unet.*connection failed 6 times in a row.*what has come stays/);
    expect(existsSync(blob(UNET))).toBe(false);
    expect(lstatSync(`${blob(UNET)}.incomplete`).size).toBe(3000);
    expect(existsSync(path.join(repository(), 'refs/main'))).toBe(false);
    expect(findInCache(parseHubId(ID)!, settings())).toMatchObject({ folder: null });
    hub.faults = {};
    hub.seen.length = 0;
    const { received, bytes } = await download();
    const there = [...tiny].filter(([name]) =>
      existsSync(path.join(repository(), 'snapshots', COMMIT, name)),
    );
    expect(there).toHaveLength(tiny.size);
    expect(received).toBeLessThanOrEqual(bytes - 3000);
    expect(requestsOf(UNET).at(-1)).toMatchObject({ host: 'storage', range: 'bytes=3000-' });
    expect(sha256(readFileSync(blob(UNET)))).toBe(sha256(tiny.get(UNET)!));
  });

  it('begins again with a server that knows no ranges, and after passing faults of the server', async () => {
    hub.faults = {
      cuts: new Map([[UNET, [1000]]]),
      ignoresRanges: true,
      statuses: new Map([['vae/config.json', [503, 429]]]),
    };
    const { folder } = await download();
    expect(sha256(readFileSync(path.join(folder, UNET)))).toBe(sha256(tiny.get(UNET)!));
    expect(requestsOf('vae/config.json')).toHaveLength(3);
  });

  it('stops at once when cancelled, and goes on later', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by hand');
    hub.faults = { stalls: new Map([[UNET, 2000]]) };
    const stopped = download({
      signal: controller.signal,
      onProgress: () => sizeOf(`${blob(UNET)}.incomplete`) === 2000 && controller.abort(reason),
    });
    await expect(stopped).rejects.toBe(reason);
    expect(lstatSync(`${blob(UNET)}.incomplete`).size).toBe(2000);
    hub.faults = {};
    await download();
    expect(requestsOf(UNET).at(-1)!.range).toBe('bytes=2000-');
  });

  it('is checked as a whole: what differs from the listed hash gets no name', async () => {
    const wrong = Buffer.from(tiny.get(UNET)!);
    wrong[5000]! ^= 1;
    hub.faults = { contents: new Map([[UNET, wrong]]) };
    await expect(download()).rejects.toThrow(
      /unet.*expected the SHA-256 [0-9a-f]{64}.*received [0-9a-f]{64}.*damaged/,
    );
    expect(existsSync(blob(UNET))).toBe(false);
    expect(existsSync(`${blob(UNET)}.incomplete`)).toBe(false);
    const config = Buffer.from(String(tiny.get('vae/config.json')).replace('{', ' '));
    hub.faults = { contents: new Map([['vae/config.json', config]]) };
    rmSync(repository(), { recursive: true });
    await expect(download()).rejects.toThrow(/vae\/config.json: expected the git hash/);
    hub.faults = { contents: new Map([[UNET, Buffer.concat([tiny.get(UNET)!, Buffer.from('more')])]]) };
    await expect(download()).rejects.toThrow(/the server sent more/);
    hub.faults = {};
    await download();
  });

  it('does not trust a damaged beginning', async () => {
    mkdirSync(path.dirname(blob(UNET)), { recursive: true });
    writeFileSync(`${blob(UNET)}.incomplete`, Buffer.alloc(3000));
    await expect(download()).rejects.toThrow(/SHA-256/);
    await download();
    expect(sha256(readFileSync(blob(UNET)))).toBe(sha256(tiny.get(UNET)!));
    writeFileSync(`${blob(UNET)}.incomplete`, Buffer.alloc(tiny.get(UNET)!.length + 1));
    rmSync(blob(UNET));
    await download();
    expect(sha256(readFileSync(blob(UNET)))).toBe(sha256(tiny.get(UNET)!));
  });
});

describe('a download that cannot be', () => {
  it.each<[string, Parameters<typeof serve> | null, RegExp]>([
    [
      'someone/nobody',
      null,
      /someone\/nobody: .* has no such model \(401, RepoNotFound\).*private.*HF_TOKEN/,
    ],
    [`${ID}@v9`, null, /tiny: has no revision v9 \(404, RevisionNotFound\)/],
    [
      ID,
      [{}, { tokens: ['hf_right'], isGated: true }],
      /is gated.*accept them at .*someone\/tiny and set HF_TOKEN/,
    ],
    [ID, [{ 'model_index.json': null }], /has no model_index.json, so it is no diffusers pipeline/],
    [
      ID,
      [{ 'model_index.json': null, 'sd.safetensors': 'x' }],
      /single-file checkpoint \(sd.safetensors\) download the file/,
    ],
    [ID, [{ [UNET]: null }], /lacks safetensors weights in unet/],
    [
      ID,
      [{ [UNET]: null, 'unet/diffusion_pytorch_model.bin': 'x' }],
      /unet.*there is unet\/diffusion_pytorch_model.bin: pickled.*@refs\/pr\/NUMBER.*save_pretrained/,
    ],
    [
      ID,
      [{ 'tokenizer/merges.txt': null }],
      /tokenizer\/vocab.json with tokenizer\/merges.txt or tokenizer\/tokenizer.json/,
    ],
    [
      ID,
      [
        {
          'model_index.json':
            '{"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}',
        },
      ],
      /expected a pipeline of Stable Diffusion 1 or 2.*received a FluxPipeline, which lacks unet.*has transformer/,
    ],
  ])('%s says why', async (name, served, message) => {
    if (served !== null) serve(...served);
    await expect(download({}, {}, name)).rejects.toThrow(message);
    const large = hub.seen.filter(({ path: at }) => at.endsWith(UNET));
    expect(large).toEqual([]);
  });

  it('says what was looked for and where when offline', async () => {
    const offline = { offline: true };
    await expect(download({}, offline)).rejects.toThrow(
      /tiny: is not in the cache as a whole.*HF_HUB_OFFLINE.*there is no .*models--someone--tiny/,
    );
    const { folder } = await download();
    rmSync(path.join(folder, UNET));
    await expect(download({}, offline)).rejects.toThrow(
      new RegExp(`${COMMIT} lacks safetensors weights in unet`),
    );
    await expect(download({}, offline, `${ID}@v2`)).rejects.toThrow(/knows no revision v2/);
  });

  it('says that the hub cannot be reached', async () => {
    const gone = await startTestHub();
    await gone.close();
    await expect(download({}, { endpoint: gone.endpoint })).rejects.toThrow(
      /cannot reach .*ECONNREFUSED.*model folder/,
    );
  });

  it('refuses before long work when the disk is too small, and explains when it fills up', async () => {
    await expect(download({ freeBytes: () => 1000 })).rejects.toThrow(
      /needs 0.00 GB, the disk has 0.00 GB left/,
    );
    expect(requestsOf(UNET)).toEqual([]);
    mkdirSync(path.dirname(blob(UNET)), { recursive: true });
    symlinkSync('/dev/full', `${blob(UNET)}.incomplete`);
    await expect(download()).rejects.toThrow(/incomplete: the disk is full; free space.*HF_HUB_CACHE/);
    expect(existsSync(blob(UNET))).toBe(false);
    writeFileSync(path.join(root, 'file'), '');
    await expect(download({}, { cache: path.join(root, 'file') })).rejects.toThrow(
      /cannot be written.*--cache/,
    );
  });

  it.each([
    ['../escape.json', 'a path'],
    ['unet/../../x', 'a path'],
    ['C:\\x', 'a path'],
  ])('refuses a listing with %s', async (name) => {
    serve({ [name]: 'x' });
    await expect(download()).rejects.toThrow(/an answer that a hub does not give: the path/);
  });
});
