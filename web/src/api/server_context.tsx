/** What every page knows of the server: session, models, adapters and prompt sets, loaded once. */

import type { ReactNode } from 'react';
import { createContext, use, useMemo } from 'react';
import { getSession, listAdapters, listModels, listPromptSets } from './client.ts';
import type { Adapter, Model, PromptSet, Session } from './types.ts';
import { useLoaded } from './use_job.ts';

/** The server as the pages see it. */
export interface ServerView {
  /** `null` until it is known, or while the server does not answer. */
  readonly session: Session | null;
  readonly models: readonly Model[] | null;
  readonly adapters: readonly Adapter[] | null;
  readonly promptSets: readonly PromptSet[] | null;
  /** The first thing that could not be loaded, or `null`. */
  readonly error: unknown;
  /** Loads everything again. */
  readonly reload: () => void;
}

const ServerContext = createContext<ServerView | null>(null);

/** Loads what the pages share. */
export function ServerProvider({ children }: { readonly children: ReactNode }) {
  const session = useLoaded(getSession, 'session');
  const isIn = session.value !== null && (!session.value.login || session.value.key !== null);
  const key = isIn ? `in ${session.value?.key?.id ?? ''}` : 'out';
  const models = useLoaded(async () => (isIn ? await listModels() : null), key);
  const adapters = useLoaded(async () => (isIn ? await listAdapters() : null), key);
  const promptSets = useLoaded(async () => (isIn ? await listPromptSets() : null), key);
  const view = useMemo(
    (): ServerView => ({
      session: session.value,
      models: models.value,
      adapters: adapters.value,
      promptSets: promptSets.value,
      error: session.error ?? models.error ?? adapters.error ?? promptSets.error,
      reload() {
        for (const each of [session, models, adapters, promptSets]) each.reload();
      },
    }),
    [session, models, adapters, promptSets],
  );
  return <ServerContext value={view}>{children}</ServerContext>;
}

/** The server as the pages see it. */
export function useServer(): ServerView {
  const view = use(ServerContext);
  if (view === null) throw new Error('useServer: expected to be called below a ServerProvider');
  return view;
}

/** The model of a name, the default one where there is none of it; `null` before models are known. */
export function modelNamed(models: readonly Model[] | null, name: string | null): Model | null {
  if (models === null) return null;
  return (
    models.find((model) => model.name === name) ??
    models.find((model) => model.isDefault) ??
    models[0] ??
    null
  );
}
