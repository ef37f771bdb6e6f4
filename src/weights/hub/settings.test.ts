import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { linkIntoSnapshot } from './cache.ts';
import { formatHubId, parseHubId } from './hub_id.ts';
import { hubSettings } from './settings.ts';

const root = mkdtempSync(path.join(tmpdir(), 'hub-settings-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('settings of the hub', () => {
  it.each([
    [{}, path.join(homedir(), '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '~/h' }, path.join(homedir(), 'h/hub')],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/c' }, '/c'],
    [{ HF_HUB_CACHE: '' }, path.join(homedir(), '.cache/huggingface/hub')],
  ])('of %j keep the cache in %s', (environment, cache) => {
    expect(hubSettings({ HF_TOKEN: 'x', ...environment })).toMatchObject({ cache, offline: false });
    expect(hubSettings({ HF_TOKEN: 'x', ...environment }, '/given').cache).toBe('/given');
  });

  it('take endpoint, token and offline from where the other libraries take them', () => {
    const home = { HF_HOME: root };
    expect(hubSettings(home)).toMatchObject({ endpoint: 'https://huggingface.co', token: null });
    writeFileSync(path.join(root, 'token'), 'hf_file\n');
    expect(hubSettings(home).token).toBe('hf_file');
    expect(hubSettings({ ...home, HF_TOKEN: 'hf_own' }).token).toBe('hf_own');
    expect(hubSettings({ ...home, HF_ENDPOINT: 'http://mirror:8080/' }).endpoint).toBe('http://mirror:8080');
    expect(() => hubSettings({ ...home, HF_ENDPOINT: 'mirror' })).toThrow(/HF_ENDPOINT: expected an address/);
    expect(
      ['1', 'TRUE', 'yes', '0', ''].map((value) => hubSettings({ ...home, HF_HUB_OFFLINE: value }).offline),
    ).toEqual([true, true, true, false, false]);
  });
});

describe('names of models on the hub', () => {
  it.each([
    ['stable-diffusion-v1-5/stable-diffusion-v1-5', 'main'],
    ['org/name@v1.0', 'v1.0'],
    ['org/name@refs/pr/12', 'refs/pr/12'],
    [`org/name@${'a'.repeat(40)}`, 'a'.repeat(40)],
  ])('%s is one, at %s', (name, revision) => {
    const model = parseHubId(name)!;
    expect(model).toEqual({ id: name.split('@')[0], revision });
    expect(formatHubId(model)).toBe(name);
  });

  it.each([
    'portraits',
    'a/b/c',
    './a',
    '../a/b',
    '/a/b',
    'a/b--c',
    'models/portraits',
    'a/..',
    'a/b@',
    'a/b@../../x',
    'a/b.safetensors',
  ])('%s is none', (name) => expect(parseHubId(name)).toBeNull());
});

describe('links into a snapshot', () => {
  it('are hard links where the system has no symbolic ones', () => {
    const blob = path.join(root, 'blob');
    writeFileSync(blob, 'content');
    const file = path.join(root, 'snapshots/x/unet/config.json');
    linkIntoSnapshot(blob, file, () => {
      throw new Error('EPERM');
    });
    expect(readFileSync(file, 'utf8')).toBe('content');
    copyFileSync(blob, path.join(root, 'other'));
    linkIntoSnapshot(path.join(root, 'other'), file);
    expect(readFileSync(file, 'utf8')).toBe('content');
    expect(existsSync(`${file}.tmp`)).toBe(false);
  });
});
