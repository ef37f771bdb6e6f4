/** How far a job is, in a bar and in words. */

/** A bar with what it means; `done` of `all` decides its length, an unknown `all` shows an empty track. */
export function Progress({
  label,
  done,
  all,
  detail,
}: {
  readonly label: string;
  readonly done: number;
  readonly all: number | null;
  /** Words at the end of the line: time left. */
  readonly detail?: string;
}) {
  const share = all === null || all === 0 ? 0 : Math.min(1, done / all);
  return (
    <div className="progress">
      <div className="row apart small">
        <span>{label}</span>
        {detail && <span className="muted">{detail}</span>}
      </div>
      <div
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
        className="track"
      >
        <div style={{ inlineSize: `${share * 100}%` }} />
      </div>
    </div>
  );
}
