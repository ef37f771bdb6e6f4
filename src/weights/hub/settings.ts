/** Where the hub and its cache are, and who asks: the environment variables of Hugging Face's own libraries. */

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** How to reach the hub. */
export interface HubSettings {
  /** Address without a slash at its end. */
  readonly endpoint: string;
  /** Access token; null to ask as nobody. */
  readonly token: string | null;
  /** Whether the network must not be used. */
  readonly offline: boolean;
  /** Folder of the cache that Hugging Face's libraries share. */
  readonly cache: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const TRUE = /^(1|on|yes|true)$/i;

/**
 * Settings of an environment: `HF_ENDPOINT`; `HF_TOKEN`, or the token that `hf auth login` left in `HF_TOKEN_PATH` or
 * `HF_HOME/token`; `HF_HUB_OFFLINE`; `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME` (huggingface_hub, "Environment variables").
 * @param cache folder of the cache in place of the environment's
 * @throws Error when `HF_ENDPOINT` is not an address
 */
export function hubSettings(environment: Environment = process.env, cache?: string): HubSettings {
  const variable = (name: string) => environment[name]?.trim() || undefined;
  const home = expand(
    variable('HF_HOME') ?? join(variable('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface'),
  );
  const endpoint = (variable('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new Error(`HF_ENDPOINT: expected an address such as https://huggingface.co, received ${endpoint}`);
  }
  const configured = cache ?? variable('HF_HUB_CACHE') ?? variable('HUGGINGFACE_HUB_CACHE');
  return Object.freeze({
    endpoint,
    token: variable('HF_TOKEN') ?? readToken(expand(variable('HF_TOKEN_PATH') ?? join(home, 'token'))),
    offline: TRUE.test(variable('HF_HUB_OFFLINE') ?? ''),
    cache: expand(configured ?? join(home, 'hub')),
  });
}

function readToken(file: string): string | null {
  return (existsSync(file) && readFileSync(file, 'utf8').trim()) || null;
}

/** Absolute path; `~` is the home folder. */
function expand(path: string): string {
  return resolve(path.replace(/^~(?=$|[/\\])/, homedir()));
}
