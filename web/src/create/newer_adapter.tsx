/** News of adapters that the server finished meanwhile: fetched in the background, and offered without getting in the way. */

import { useEffect, useState } from 'react';
import { listAdapters } from '../api/client.ts';
import { useServer } from '../api/server_context.tsx';
import type { Adapter } from '../api/types.ts';
import { Notice } from '../components/notice.tsx';
import { device } from '../inference/device.ts';
import { text } from '../lib/read.ts';
import { useStored } from '../lib/storage.ts';
import type { Place } from './run_on.tsx';

/** Milliseconds between looks at the list, and until a file that did not come is asked for again; coming back looks at once. */
const PAUSE = 20_000;

/** Loads the shared list of adapters anew when the server has one that it lacks. */
function useFreshAdapters(): readonly Adapter[] | null {
  const { adapters, reload } = useServer();
  useEffect(() => {
    let isGone = false;
    const look = async () => {
      if (document.hidden || adapters === null) return;
      try {
        const known = new Set(adapters.map(({ id }) => id));
        const found = await listAdapters();
        if (!isGone && found.some(({ id }) => !known.has(id))) reload();
      } catch {
        // A server that does not answer is said elsewhere; this looks again later.
      }
    };
    const timer = setInterval(look, PAUSE);
    window.addEventListener('focus', look);
    document.addEventListener('visibilitychange', look);
    return () => {
      isGone = true;
      clearInterval(timer);
      window.removeEventListener('focus', look);
      document.removeEventListener('visibilitychange', look);
    };
  }, [adapters, reload]);
  return adapters;
}

/** The newest adapter after a point in time; of one fine-tuning's adapters the one of the best validation. */
export function newestSince(adapters: readonly Adapter[], since: string): Adapter | null {
  const newest = adapters.filter(({ createdAt }) => createdAt > since).sort(byTime)[0];
  if (newest === undefined) return null;
  const twins = adapters.filter(({ job }) => job !== null && job === newest.job);
  return twins.find(({ origin }) => origin === 'best') ?? newest;
}

function byTime(one: Adapter, other: Adapter): number {
  return one.createdAt < other.createdAt ? 1 : -1;
}

/**
 * The notice of an adapter that landed after the last one that was seen here.
 * @param fitting adapters of the model that is chosen
 * @param chosen id of the adapter that is used now; empty for none
 */
export function NewerAdapter({
  fitting,
  chosen,
  place,
  onUse,
}: {
  readonly fitting: readonly Adapter[];
  readonly chosen: string;
  readonly place: Place;
  readonly onUse: (id: string) => void;
}) {
  const adapters = useFreshAdapters();
  const [seen, setSeen] = useStored('adapters-seen', (stored) => text(stored, null));
  const [ready, setReady] = useState<string | null>(null);
  const latest =
    (adapters ?? [])
      .map(({ createdAt }) => createdAt)
      .sort()
      .at(-1) ?? '';
  useEffect(() => {
    // At the first visit nothing is news.
    if (adapters !== null && seen === null) setSeen(latest);
  }, [adapters, seen, latest, setSeen]);
  const used = fitting.find(({ id }) => id === chosen)?.createdAt ?? '';
  const later = fitting.filter(({ createdAt }) => createdAt > used);
  const newer = seen === null ? null : newestSince(later, seen);
  useEffect(() => {
    if (newer === null || place !== 'device') return;
    let isGone = false;
    let again: ReturnType<typeof setTimeout>;
    const fetchIt = () =>
      void device.fetchAhead(newer).then(
        () => isGone || setReady(newer.id),
        () => {
          if (!isGone) again = setTimeout(fetchIt, PAUSE);
        },
      );
    fetchIt();
    return () => {
      isGone = true;
      clearTimeout(again);
    };
  }, [newer, place]);
  const isOffered = newer !== null && (place === 'server' || ready === newer.id);
  return (
    <div role="status">
      {isOffered && (
        <Notice>
          <p>
            A newer adapter is available: <strong>{newer.name}</strong>.
          </p>
          <div className="row">
            <button
              type="button"
              onClick={() => {
                setSeen(latest);
                onUse(newer.id);
              }}
            >
              Use it
            </button>
            <button type="button" className="quiet" onClick={() => setSeen(latest)}>
              Not now
            </button>
          </div>
        </Notice>
      )}
    </div>
  );
}
