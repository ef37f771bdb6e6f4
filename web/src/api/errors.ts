/** What goes wrong between terminal and server, with what to do about it. */

/** An answer of the server that is not the one asked for, or no answer. */
export class ApiError extends Error {
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** The server's stable name for the fault, or `null`. */
  readonly code: string | null;
  /** What the reader can do. */
  readonly remedy: string;
  /** Field of the request that the fault is in, or `null`. */
  readonly field: string | null;

  /** An error from its parts; the remedy follows from the status where the server names none. */
  constructor(
    status: number,
    message: string,
    {
      code = null,
      field = null,
      remedy,
    }: { code?: string | null; field?: string | null; remedy?: string } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.field = field;
    this.remedy = remedy ?? REMEDIES[code ?? ''] ?? remedyOf(status);
  }
}

/** Why a job failed, from what the server says of it. */
export function failureOf({ code, message }: { readonly code: string; readonly message: string }): ApiError {
  return new ApiError(500, message, { code });
}

/** What to do about the codes of the server's catalogue where the status says too little. */
const REMEDIES: Readonly<Record<string, string>> = {
  does_not_fit: 'Choose values that the model has: see the Models page for its attributes and sizes.',
  model_not_found: 'Choose another model; the Models page lists them.',
  queue_full: 'Wait until some jobs are done, or stop one.',
  shutting_down: 'The server is restarting; jobs that were sent go on afterwards. Try again in a minute.',
  storage_unavailable:
    'Try again in a minute; whoever runs the server sees in its log what the storage answered.',
  insufficient_quota: 'The images of this day are used up; they come back within 24 hours.',
  rate_limit_exceeded: 'Too many jobs at once for this key; wait a minute.',
  job_failed: 'Change the settings that the message names and start again.',
  worker_crashed: 'It may have run out of memory: ask for fewer or smaller images at once, then try again.',
  interrupted: 'Start it again; the server’s log says what stopped it.',
};

/** What to do about a status when the server does not say. */
export function remedyOf(status: number): string {
  if (status === 0)
    return 'Check that the server is running (evenhand serve) and that this page comes from it.';
  if (status === 400 || status === 422) return 'Change the field that the message names and try again.';
  if (status === 401) return 'Enter an access key.';
  if (status === 403) return 'Ask for a key that allows this.';
  if (status === 404) return 'It may have been removed; reload the page.';
  if (status === 409) return 'Reload the page to see how things stand now.';
  if (status === 413) return 'Ask for less at once.';
  if (status === 429) return 'Wait a little and try again.';
  if (status === 503) return 'The server is busy or stopping; try again in a minute.';
  return 'Try again; if it stays, the server’s log says more.';
}

/** Any caught value as an {@link ApiError}. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(-1, message);
}
