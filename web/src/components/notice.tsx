/** Notices: what went wrong and what to do, warnings, and emptiness. */

import type { ReactNode } from 'react';
import { asApiError } from '../api/errors.ts';

/** An error with its message and what to do; nothing for `null`. */
export function ErrorNotice({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  if (error === null || error === undefined) return null;
  const { message, remedy, code, field } = asApiError(error);
  return (
    <div className="notice bad" role="alert">
      <p>
        <strong>{field === null ? message : `${field}: ${message}`}</strong>
      </p>
      <p>{remedy}</p>
      {(code !== null || retry) && (
        <div className="row apart">
          {code === null ? <span /> : <code className="small">{code}</code>}
          {retry && (
            <button type="button" className="quiet" onClick={retry}>
              Try again
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** A warning or remark beside the work. */
export function Notice({
  kind = 'note',
  children,
}: {
  readonly kind?: 'note' | 'warn' | 'good';
  readonly children: ReactNode;
}) {
  return <div className={`notice ${kind}`}>{children}</div>;
}

/** What a place will show once there is something to show. */
export function Empty({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <div className="empty">
      <p>
        <strong>{title}</strong>
      </p>
      <p>{children}</p>
    </div>
  );
}

/** What a run said, in order; nothing when it said nothing. */
export function RunNotes({ notes }: { readonly notes: readonly string[] }) {
  if (notes.length === 0) return null;
  return (
    <details className="inline-details">
      <summary className="small">Notes of the run ({notes.length})</summary>
      <ul className="notes small">
        {notes.map((note, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: notes only grow at the end.
          <li key={index}>{note}</li>
        ))}
      </ul>
    </details>
  );
}
