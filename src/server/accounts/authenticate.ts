/** Who asks: keys in the header Authorization or in the session's cookie, or anyone at this machine where no login is needed. */

import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import type { AppEnv, Caller, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { Scope } from '../storage/keys.ts';
import { findKey, scopesOf } from '../storage/keys.ts';

/** Cookie that holds the key of a browser session. */
export const SESSION_COOKIE = 'evenhand_session';

const EVERYONE: Caller = Object.freeze({ key: null, scopes: ['generate', 'train', 'admin'] as const });
const NOBODY: Caller = Object.freeze({ key: null, scopes: [] });

/** Finds out who asks; nobody is refused yet. A key that is given must be valid. */
export function authenticate(context: ServerContext): MiddlewareHandler<AppEnv> {
  return async function findCaller(c, next) {
    c.set('caller', context.login ? await callerOf(context, c) : EVERYONE);
    await next();
  };
}

async function callerOf({ db }: ServerContext, c: Context<AppEnv>): Promise<Caller> {
  const header = c.req.header('authorization');
  const cookie = getCookie(c, SESSION_COOKIE);
  if (header === undefined && cookie === undefined) return NOBODY;
  const bearer = header === undefined ? undefined : secretOf(header);
  const key = await findKey(db, bearer ?? cookie ?? '');
  if (key !== undefined) return { key, scopes: scopesOf(key) };
  // A cookie of a key that was revoked must not keep its browser from logging in again.
  if (header === undefined) return NOBODY;
  throw new ApiFault('unauthorized', 'authorization: the key is unknown, expired or revoked');
}

/** The secret of `Bearer SECRET`, or of `Basic`, whose password it is, as AUTOMATIC1111's clients send it. */
function secretOf(header: string): string {
  const [, scheme = '', value = ''] = /^(\w+)\s+(\S+)$/.exec(header.trim()) ?? [];
  if (/^bearer$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return '';
  return Buffer.from(value, 'base64').toString('utf8').split(':').slice(1).join(':');
}

/** Lets only callers with a scope pass. */
export function requireScope(scope: Scope): MiddlewareHandler<AppEnv> {
  return async function checkScope(c, next) {
    const { key, scopes } = c.get('caller');
    if (!scopes.includes(scope)) {
      if (key === null) {
        throw new ApiFault(
          'unauthorized',
          'expected a key in the header Authorization: Bearer, received none',
        );
      }
      throw new ApiFault('forbidden', `expected a key with the scope ${scope}, received ${key.scopes}`);
    }
    await next();
  };
}
