/** What every request must pass: the right host, no other site's page, a body that is plain JSON and not too large. */

import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { AppEnv, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';

/** Largest body in bytes; prompts and configurations are small. */
export const LARGEST_BODY = 1024 * 1024;
/** Largest body of routes that take an image. */
export const LARGEST_IMAGE_BODY = 32 * 1024 * 1024;

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Without login, answers only to the names of this machine itself: a page whose name was pointed at 127.0.0.1 (DNS rebinding) sends
 * its own.
 */
export function checkHost({ login, hosts }: ServerContext): MiddlewareHandler<AppEnv> {
  return async function hostIsOurs(c, next) {
    const host = (c.req.header('host') ?? new URL(c.req.url).host).toLowerCase();
    if (!login && !hosts.includes(host.replace(/:\d+$/, ''))) {
      throw new ApiFault('wrong_host', `host: expected ${hosts.join(', ')}, received ${host}`);
    }
    await next();
  };
}

/** Refuses what another site's page makes a browser send (CSRF): changes need the server's own origin, or no browser. */
export function checkOrigin(): MiddlewareHandler<AppEnv> {
  return async function originIsOurs(c, next) {
    if (!SAFE_METHODS.includes(c.req.method)) {
      const origin = c.req.header('origin');
      const host = c.req.header('host') ?? new URL(c.req.url).host;
      const site = c.req.header('sec-fetch-site');
      const foreign =
        (origin !== undefined && hostOf(origin) !== host.toLowerCase()) ||
        (site !== undefined && site !== 'same-origin' && site !== 'none');
      if (foreign) throw new ApiFault('cross_site', `origin: expected ${host}, received ${origin ?? site}`);
    }
    await next();
  };
}

function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host.toLowerCase();
  } catch {
    return null;
  }
}

/** Routes that take a file instead of JSON; a browser asks before it sends one to another site (CORS preflight). */
const FILE_ROUTES: readonly string[] = ['/api/v1/adapters'];
const FILE_TYPE = 'application/octet-stream';

/** Whether a request's body is a file, which the route itself limits while it is written. */
export function takesFile({ path }: { readonly path: string }): boolean {
  return FILE_ROUTES.includes(path);
}

/** Takes bodies only as plain JSON or as a file: nothing is decompressed, and forms, which any page can send, are refused. */
export function checkBody(): MiddlewareHandler<AppEnv> {
  return async function bodyIsPlain(c, next) {
    if (!SAFE_METHODS.includes(c.req.method)) {
      const encoding = c.req.header('content-encoding');
      if (encoding !== undefined && encoding !== 'identity') {
        throw new ApiFault('unsupported_media_type', `content-encoding: expected none, received ${encoding}`);
      }
      const type = c.req.header('content-type');
      const hasBody = Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding');
      const isFile = takesFile(c.req);
      const expected = isFile ? FILE_TYPE : 'application/json';
      if ((hasBody || isFile) && (type ?? '').split(';')[0]!.trim().toLowerCase() !== expected) {
        throw new ApiFault(
          'unsupported_media_type',
          `content-type: expected ${expected}, received ${type ?? 'none'}`,
        );
      }
    }
    await next();
  };
}

/** Refuses bodies beyond a size, counted as they come. */
export function limitBody(bytes: number): MiddlewareHandler<AppEnv> {
  return bodyLimit({
    maxSize: bytes,
    onError: () => {
      throw new ApiFault('body_too_large', `body: expected at most ${bytes} bytes`);
    },
  });
}
