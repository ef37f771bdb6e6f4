/** Routes of the browser session and of API keys. */

import { createRoute } from '@hono/zod-openapi';
import { deleteCookie, setCookie } from 'hono/cookie';
import { requireScope, SESSION_COOKIE } from '../accounts/authenticate.ts';
import type { App, Caller, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import {
  createdKeySchema,
  createKeySchema,
  keyListSchema,
  loginSchema,
  sessionSchema,
} from '../schemas/accounts.ts';
import { idParameter } from '../schemas/common.ts';
import { createKey, findKey, listKeys, revokeKey, scopesOf } from '../storage/keys.ts';
import { jsonAnswer, jsonBody, refusals, security } from './shared.ts';

const SESSION_SECONDS = 30 * 24 * 3600;
const admin = { tags: ['accounts'], security, middleware: requireScope('admin') };

const session = createRoute({
  tags: ['accounts'],
  method: 'get',
  path: '/api/v1/session',
  summary: 'Who is asking, and whether a key is needed',
  responses: { 200: jsonAnswer('The session', sessionSchema), ...refusals },
});

const login = createRoute({
  tags: ['accounts'],
  method: 'post',
  path: '/api/v1/session',
  summary: 'Start a browser session with a key',
  request: jsonBody(loginSchema),
  responses: { 200: jsonAnswer('The session', sessionSchema), ...refusals },
});

const logout = createRoute({
  tags: ['accounts'],
  method: 'delete',
  path: '/api/v1/session',
  summary: 'End the browser session',
  responses: { 204: { description: 'Ended' }, ...refusals },
});

const list = createRoute({
  ...admin,
  method: 'get',
  path: '/api/v1/keys',
  summary: 'API keys',
  responses: { 200: jsonAnswer('Keys', keyListSchema), ...refusals },
});

const create = createRoute({
  ...admin,
  method: 'post',
  path: '/api/v1/keys',
  summary: 'Make an API key; its secret is shown this once',
  request: jsonBody(createKeySchema),
  responses: { 201: jsonAnswer('The key with its secret', createdKeySchema), ...refusals },
});

const revoke = createRoute({
  ...admin,
  method: 'delete',
  path: '/api/v1/keys/{id}',
  summary: 'Revoke an API key',
  request: { params: idParameter },
  responses: { 204: { description: 'Revoked' }, ...refusals },
});

/** Adds the routes of accounts. */
export function addAccountRoutes(app: App, context: ServerContext): void {
  const { db } = context;
  const describe = ({ key, scopes }: Caller) => ({
    version: context.version,
    login: context.login,
    key: key && { id: key.id, name: key.name },
    scopes: [...scopes],
  });
  app.openapi(session, (c) => c.json(describe(c.get('caller')), 200));
  app.openapi(login, async (c) => {
    const secret = c.req.valid('json').key.trim();
    const key = await findKey(db, secret);
    if (key === undefined)
      throw new ApiFault('unauthorized', 'key: it is unknown, expired or revoked', { field: 'key' });
    setCookie(c, SESSION_COOKIE, secret, {
      httpOnly: true,
      sameSite: 'Strict',
      secure: context.secure,
      path: '/',
      maxAge: SESSION_SECONDS,
    });
    return c.json(describe({ key, scopes: scopesOf(key) }), 200);
  });
  app.openapi(logout, (c) => {
    deleteCookie(c, SESSION_COOKIE, { path: '/', secure: context.secure });
    return c.body(null, 204);
  });
  app.openapi(list, async (c) => c.json({ keys: await listKeys(db) }, 200));
  app.openapi(create, async (c) => c.json(await createKey(db, c.req.valid('json')), 201));
  app.openapi(revoke, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await revokeKey(db, id)))
      throw new ApiFault('not_found', `key: expected the id of a key, received ${id}`);
    return c.body(null, 204);
  });
}
