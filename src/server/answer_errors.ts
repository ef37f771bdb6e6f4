/** Answers errors: in one shape, and in OpenAI's and AUTOMATIC1111's on their routes. */

import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { AppEnv, ServerContext } from './context.ts';
import type { ErrorCode } from './errors.ts';
import { ApiFault, ERRORS } from './errors.ts';
import { StorageFault } from './storage/s3/faults.ts';

/** The handler of everything that a route throws. */
export function answerErrors({ logger }: ServerContext) {
  return function answerError(error: unknown, c: Context<AppEnv>): Response {
    const fault = asFault(error);
    if (fault.status >= 500) {
      logger.error({ requestId: c.get('requestId'), err: error, code: fault.code }, 'error');
    }
    const headers: Record<string, string> = {};
    if (fault.retryAfter !== null) headers['Retry-After'] = String(fault.retryAfter);
    if (fault.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="evenhand"';
    return c.json(bodyOf(fault, c), fault.status, headers);
  };
}

/** The handler of addresses that no route has. */
export function unknownRoute(c: Context<AppEnv>): never {
  throw new ApiFault(
    'unknown_route',
    `expected a route of /openapi.json, received ${c.req.method} ${c.req.path}`,
  );
}

/** Makes zod's complaint a fault; the hook of every checked request. */
export function refuseInvalid(result: { success: boolean; error?: unknown }): void {
  if (result.success) return;
  const { issues } = result.error as { issues: readonly Issue[] };
  const { field, message } = describeIssue(issues[0]!);
  throw new ApiFault('invalid_request', field === '' ? message : `${field}: ${message}`, { field });
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** Field and message of an issue; of a union, of the alternative that was followed furthest. */
function describeIssue({ path, message, errors = [] }: Issue): { field: string; message: string } {
  const depth = (issues: readonly Issue[]) => issues[0]?.path.length ?? 0;
  const best = errors.reduce<readonly Issue[]>(
    (most, next) => (most.length === 0 || depth(next) > depth(most) ? next : most),
    [],
  )[0];
  if (best !== undefined) return describeIssue({ ...best, path: [...path, ...best.path] });
  return { field: path.map(String).join('.'), message };
}

function asFault(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new ApiFault('invalid_body', error.message || 'the body is not JSON', { cause: error });
  }
  if (error instanceof StorageFault) {
    const message =
      'the storage of files cannot be used now; the log of the server has more under the id of this request';
    return new ApiFault('storage_unavailable', message, { retryAfter: 30, cause: error });
  }
  return new ApiFault('internal', 'a fault of the server; its log has more under the id of this request', {
    cause: error,
  });
}

/** A fault in the shape of OpenAI's errors, with the job that goes on where there is one. */
export function openAiError({ code, message, field, job }: ApiFault): object {
  return { error: { message, type: ERRORS[code].openAiType, param: field, code, ...withJob(job) } };
}

function withJob(job: string | null): { readonly job?: string } {
  return job === null ? {} : { job };
}

function bodyOf(fault: ApiFault, c: Context<AppEnv>): object {
  if (c.req.path.startsWith('/v1/')) return openAiError(fault);
  const { code, message, field, job } = fault;
  if (c.req.path.startsWith('/sdapi/')) {
    return { error: code satisfies ErrorCode, detail: message, body: '', errors: message, ...withJob(job) };
  }
  const requestId = c.get('requestId');
  return { error: { code, message, ...(field === null ? {} : { field }), ...withJob(job), requestId } };
}
