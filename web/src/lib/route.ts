/** Which page is shown, from the address's fragment: `#/create?prompt=...`. What stands there never reaches a server's log. */

import { useSyncExternalStore } from 'react';

/** The pages, in the order of the navigation. */
export const PAGES = ['create', 'audit', 'finetune', 'models'] as const;

/** Name of a page. */
export type PageName = (typeof PAGES)[number];

/** A page, the job that it shows if one is named, and its settings. */
export interface Route {
  readonly page: PageName;
  /** Id of a job, or `null`. */
  readonly job: string | null;
  readonly settings: URLSearchParams;
}

/** Reads a fragment such as `#/finetune/RUN?prompt=...`; an unknown page is `create`. */
export function parseRoute(fragment: string): Route {
  const [path = '', query = ''] = fragment.replace(/^#?\/?/, '').split('?', 2);
  const [name, job] = path.split('/');
  return {
    page: PAGES.find((page) => page === name) ?? 'create',
    job: job ? decoded(job) : null,
    settings: new URLSearchParams(query),
  };
}

/** A part of an address as text; one that nobody encoded stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Fragment of a page, of a job on it, or of settings for it. */
export function routeTo(page: PageName, job?: string | null, settings?: URLSearchParams): string {
  const query = settings?.toString() ?? '';
  return `#/${page}${job ? `/${encodeURIComponent(job)}` : ''}${query === '' ? '' : `?${query}`}`;
}

function subscribe(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}

/** The current fragment; the component is drawn anew when it changes. */
export function useFragment(): string {
  return useSyncExternalStore(subscribe, () => location.hash);
}

/** Shows another page; `replace` leaves no entry in the history. */
export function go(fragment: string, replace = false): void {
  if (!replace) {
    location.hash = fragment;
    return;
  }
  history.replaceState(null, '', fragment);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
