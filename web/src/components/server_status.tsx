/** Whether the server answers, and the access key where it asks for one. */

import { useState } from 'react';
import { logIn, logOut } from '../api/client.ts';
import { useServer } from '../api/server_context.tsx';
import { ErrorNotice } from './notice.tsx';

/** The server's version in the top bar, and a way out of a session. */
export function ServerStatus() {
  const { session, error, reload } = useServer();
  if (session === null) {
    return (
      <span className="server-status small muted">{error === null ? 'connecting' : 'not connected'}</span>
    );
  }
  return (
    <span className="server-status small muted">
      {session.key !== null && (
        <button
          type="button"
          className="quiet"
          onClick={async () => {
            await logOut();
            reload();
          }}
        >
          Leave ({session.key.name})
        </button>
      )}
      <span className="version">{session.version}</span>
    </span>
  );
}

/** Asks for an access key. */
export function AccessForm() {
  const { reload } = useServer();
  const [key, setKey] = useState('');
  const [error, setError] = useState<unknown>(null);
  return (
    <form
      className="card access"
      aria-label="Access"
      onSubmit={async (event) => {
        event.preventDefault();
        setError(null);
        try {
          await logIn(key.trim());
          reload();
        } catch (caught) {
          setError(caught);
        }
      }}
    >
      <h1 tabIndex={-1}>Access key</h1>
      <p className="muted">
        This server asks for a key. Whoever runs it has the first one, printed at its first start, and can
        make more.
      </p>
      <div className="field">
        <label htmlFor="access-key">Key</label>
        <input
          id="access-key"
          type="password"
          autoComplete="current-password"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      </div>
      <ErrorNotice error={error} />
      <button type="submit" className="primary" disabled={key.trim() === ''}>
        Enter
      </button>
    </form>
  );
}
