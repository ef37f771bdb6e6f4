/** Every error that the server answers with: a stable code, its HTTP status, and OpenAI's words for it. */

/** What a code means. */
export interface ErrorKind {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 421 | 422 | 429 | 500 | 503;
  /** `type` of OpenAI's error object. */
  readonly openAiType: string;
}

const invalid = 'invalid_request_error';

/** The catalogue. Messages are written where an error arises, since they name what was received. */
export const ERRORS = Object.freeze({
  /** A field is missing, unknown, of the wrong type or out of range. */
  invalid_request: { status: 400, openAiType: invalid },
  /** The body is not the JSON that the route takes. */
  invalid_body: { status: 400, openAiType: invalid },
  /** A key is needed and none was given, or it is unknown, expired or revoked. */
  unauthorized: { status: 401, openAiType: 'authentication_error' },
  /** The key lacks the scope. */
  forbidden: { status: 403, openAiType: 'permission_error' },
  /** A page of another site sent the request. */
  cross_site: { status: 403, openAiType: 'permission_error' },
  /** There is no such route. */
  unknown_route: { status: 404, openAiType: invalid },
  /** There is no such job, file, model, adapter, prompt set, target or key. */
  not_found: { status: 404, openAiType: invalid },
  /** The model is unknown. */
  model_not_found: { status: 404, openAiType: invalid },
  /** The job, target or adapter is in a state that does not allow this. */
  conflict: { status: 409, openAiType: invalid },
  /** The body is larger than the route takes. */
  body_too_large: { status: 413, openAiType: invalid },
  /** The body is compressed or not JSON. */
  unsupported_media_type: { status: 415, openAiType: invalid },
  /** The header Host names another server. */
  wrong_host: { status: 421, openAiType: invalid },
  /** What was asked for fits the schema and not the model: a target, a size, an adapter of another model. */
  does_not_fit: { status: 422, openAiType: invalid },
  /** The key's jobs of this minute are used up. */
  rate_limit_exceeded: { status: 429, openAiType: 'requests' },
  /** The key's images of this day are used up. */
  insufficient_quota: { status: 429, openAiType: 'insufficient_quota' },
  /** Too many jobs are waiting. */
  queue_full: { status: 503, openAiType: 'server_error' },
  /** The server is shutting down. */
  shutting_down: { status: 503, openAiType: 'server_error' },
  /** The storage of files does not answer, or refuses; the log says what it said. */
  storage_unavailable: { status: 503, openAiType: 'server_error' },
  /** The job failed: its message says why. */
  job_failed: { status: 500, openAiType: 'server_error' },
  /** The worker process died, again on a second try. */
  worker_crashed: { status: 500, openAiType: 'server_error' },
  /** The server stopped under the job too often. */
  interrupted: { status: 500, openAiType: 'server_error' },
  /** The job was cancelled while an answer waited for it. */
  cancelled: { status: 409, openAiType: invalid },
  /** A fault of the server's own; the log has it under the request's id. */
  internal: { status: 500, openAiType: 'server_error' },
} satisfies Record<string, ErrorKind>);

/** Code of an error. */
export type ErrorCode = keyof typeof ERRORS;

/** An error that is answered as it stands. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault';
  readonly code: ErrorCode;
  /** Field of the request that is wrong, joined by dots. */
  readonly field: string | null;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | null;
  /** Job that the request made and that goes on without it. */
  readonly job: string | null;

  /** A fault of the catalogue with a message that names what was expected, received, and where. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { field?: string; retryAfter?: number; job?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.field = options.field ?? null;
    this.retryAfter = options.retryAfter ?? null;
    this.job = options.job ?? null;
  }

  /** HTTP status. */
  get status(): ErrorKind['status'] {
    return ERRORS[this.code].status;
  }
}
