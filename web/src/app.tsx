/** The terminal's frame: top bar, navigation, theme, and the page that the address names. */

import { useEffect, useRef } from 'react';
import { ServerProvider, useServer } from './api/server_context.tsx';
import { AuditIcon, CreateIcon, FinetuneIcon, MarkIcon, ModelsIcon, ThemeIcon } from './components/icons.tsx';
import { ErrorNotice } from './components/notice.tsx';
import { AccessForm, ServerStatus } from './components/server_status.tsx';
import type { PageName } from './lib/route.ts';
import { PAGES, parseRoute, routeTo, useFragment } from './lib/route.ts';
import type { ThemeChoice } from './lib/theme.ts';
import { useTheme } from './lib/theme.ts';
import { AuditPage } from './pages/audit.tsx';
import { CreatePage } from './pages/create.tsx';
import { FinetunePage } from './pages/finetune.tsx';
import { ModelsPage } from './pages/models.tsx';

const TITLES: Readonly<Record<PageName, string>> = {
  create: 'Create',
  audit: 'Audit',
  finetune: 'Fine-tune',
  models: 'Models',
};

const ICONS: Readonly<Record<PageName, () => React.JSX.Element>> = {
  create: CreateIcon,
  audit: AuditIcon,
  finetune: FinetuneIcon,
  models: ModelsIcon,
};

const NEXT_THEME: Readonly<Record<ThemeChoice, ThemeChoice>> = {
  system: 'light',
  light: 'dark',
  dark: 'system',
};

/** The whole terminal. */
export function App() {
  return (
    <ServerProvider>
      <Frame />
    </ServerProvider>
  );
}

function Frame() {
  const fragment = useFragment();
  const { page, job, settings } = parseRoute(fragment);
  const { choice, theme, choose } = useTheme();
  const server = useServer();
  const isLockedOut = server.session?.login === true && server.session.key === null;
  const content = useRef<HTMLElement>(null);
  const shown = useRef(page);
  useEffect(() => {
    document.title = `${TITLES[page]} · Evenhand`;
    if (shown.current === page) return;
    shown.current = page;
    // A new page begins at its heading, for the eye and for the screen reader.
    window.scrollTo(0, 0);
    content.current?.querySelector('h1')?.focus();
  }, [page]);
  return (
    <>
      <button
        type="button"
        className="skip-link"
        onClick={() => content.current?.querySelector('h1')?.focus()}
      >
        Skip to content
      </button>
      <header className="top-bar">
        <a className="wordmark" href={routeTo('create')}>
          <MarkIcon />
          Evenhand
        </a>
        <nav className="navigation" aria-label="Pages">
          {PAGES.map((name) => {
            const PageIcon = ICONS[name];
            return (
              <a key={name} href={routeTo(name)} aria-current={name === page ? 'page' : undefined}>
                <PageIcon />
                {TITLES[name]}
              </a>
            );
          })}
        </nav>
        <span className="spacer" />
        <ServerStatus />
        <button
          type="button"
          className="icon theme-button"
          title={`Theme: ${choice}`}
          aria-label={`Theme: ${choice}. Change to ${NEXT_THEME[choice]}.`}
          onClick={() => choose(NEXT_THEME[choice])}
        >
          <ThemeIcon />
        </button>
      </header>
      <main ref={content} id="content">
        <ErrorNotice error={server.error} retry={server.reload} />
        {isLockedOut ? (
          <AccessForm />
        ) : (
          <>
            {page === 'create' && <CreatePage link={settings} />}
            {page === 'audit' && <AuditPage job={job} link={settings} />}
            {page === 'finetune' && <FinetunePage job={job} theme={theme} />}
            {page === 'models' && <ModelsPage />}
          </>
        )}
      </main>
    </>
  );
}
