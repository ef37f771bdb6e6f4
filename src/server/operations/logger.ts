/** The server's log: one JSON object a line, with the id of the request that a line belongs to. */

import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import type { AppEnv, ServerContext } from '../context.ts';

/** Levels of the log. */
export const LOG_LEVELS = Object.freeze(['debug', 'info', 'warn', 'error', 'silent'] as const);

/** Opens the log; secrets in headers and bodies are never part of a line. */
export function createLogger(level: (typeof LOG_LEVELS)[number], destination?: DestinationStream): Logger {
  const options = { level, base: null, redact: ['*.secret', '*.key', '*.authorization'] };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Writes a line and counts for every request; whoever calls may give the id in X-Request-Id. */
export function logRequests({ logger, metrics }: ServerContext): MiddlewareHandler<AppEnv> {
  return async function logRequest(c, next) {
    const started = performance.now();
    await next();
    const seconds = (performance.now() - started) / 1000;
    const { method } = c.req;
    const status = c.res.status;
    metrics.requests.observe({ method, route: routePath(c), status: String(status) }, seconds);
    const fields = {
      requestId: c.get('requestId'),
      method,
      path: c.req.path,
      status,
      milliseconds: Math.round(seconds * 1e4) / 10,
      ...(c.get('caller')?.key ? { apiKey: c.get('caller').key!.id } : {}),
    };
    if (status >= 500) logger.error(fields, 'request failed');
    else logger.info(fields, 'request');
  };
}
