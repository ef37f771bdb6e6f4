/** Models, prompt sets, targets, the API's own description, and how the server stands. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorOf, GENERATION, jsonOf } from './api_answers.ts';
import { ask } from './open_server.ts';
import { testServer } from './test_server.ts';

/** Routes that are added without a definition, their parameters without names. */
function plainRoutes(): string[] {
  const folder = new URL('../../src/server/routes/', import.meta.url);
  const sources = readdirSync(folder).filter((name) => name !== 'terminal.ts');
  return sources.flatMap((name) =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/app\.(get|post|put|delete)\('(\/[^']*)'/g)].map(
      ([, method, address]) => `${method!.toUpperCase()} ${address!.replace(/:\w+(\{[^}]*\})?/g, '{}')}`,
    ),
  );
}

const open = testServer('resources-api', { database: 'memory:' });

describe('resources', () => {
  it('are models, prompt sets and targets', async () => {
    const { models } = await jsonOf(ask(open, 'GET', '/api/v1/models'));
    expect(models[0]).toMatchObject({
      name: 'tiny',
      side: 16,
      isDefault: true,
      canFinetune: true,
      canEvaluate: true,
      licences: [{ part: null, name: null, source: null }],
    });
    expect(models[0]).not.toHaveProperty('folder');
    const { promptSets } = await jsonOf(ask(open, 'GET', '/api/v1/prompt-sets'));
    expect(promptSets).toContainEqual({ name: 'occupations', train: 2, test: 2, example: 'a nurse' });
    expect((await jsonOf(ask(open, 'GET', '/api/v1/prompt-sets/sports'))).prompts).toEqual([
      'a person playing golf',
    ]);
    const saved = await ask(open, 'PUT', '/api/v1/targets/mine', { target: { gender: '30/70' } });
    expect(saved.status).toBe(200);
    const { targets } = await jsonOf(ask(open, 'GET', '/api/v1/targets'));
    expect(targets).toContainEqual({
      name: 'mine',
      description: '',
      target: { gender: '30/70' },
      builtIn: false,
    });
    const bad = ask(open, 'PUT', '/api/v1/targets/mine', { target: { gender: '30/30' } });
    expect(await errorOf(bad)).toEqual([422, 'does_not_fit', 'target']);
    const shipped = ask(open, 'DELETE', '/api/v1/targets/gender-uniform');
    expect(await errorOf(shipped)).toEqual([409, 'conflict', '']);
  });

  it('understand prompts', async () => {
    const prompt = 'two women and an old Indian man, oil painting';
    const understood = await jsonOf(ask(open, 'POST', '/api/v1/understand', { prompt }));
    expect(understood.named).toEqual({ gender: true, race: true, age: true, people: true });
    expect(understood.people.groups).toHaveLength(2);
  });

  it('are described by OpenAPI 3.1 and a page without anything from elsewhere', async () => {
    const document = await jsonOf(ask(open, 'GET', '/openapi.json'));
    expect(document.openapi).toBe('3.1.0');
    const described = Object.entries(document.paths as Record<string, object>).flatMap(([address, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${address}`),
    );
    for (const route of ['POST /api/v1/jobs', 'POST /v1/images/generations', 'POST /sdapi/v1/txt2img']) {
      expect(described).toContain(route);
    }
    // Routes that answer with files are no checked routes, and described by hand.
    const plain = plainRoutes();
    expect(plain).toContain('GET /api/v1/jobs/{}/files/{}');
    const nameless = described.map((route) => route.replace(/\{\w+\}/g, '{}'));
    expect(plain.filter((route) => !nameless.includes(route))).toEqual(['GET /openapi.json', 'GET /docs']);
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g)!;
    const schemas = Object.keys(document.components.schemas);
    for (const reference of references) expect(schemas).toContain(reference.split('/').at(-1));
    const page = await (await ask(open, 'GET', '/docs')).text();
    expect(page).toContain('/v1/images/generations');
    expect(page).not.toMatch(/<script|<link|src="|url\(|https?:\/\//);
  });

  it('say how the server stands', async () => {
    expect(await jsonOf(ask(open, 'GET', '/healthz'))).toEqual({ status: 'ok' });
    expect(await jsonOf(ask(open, 'GET', '/readyz'))).toEqual({
      ready: true,
      checks: { database: true, running: true },
    });
    const { lanes } = await jsonOf(ask(open, 'GET', '/api/v1/status'));
    expect(lanes[0]).toMatchObject({ name: 'draw', worker: 'stopped', crashes: 0 });
    await ask(open, 'POST', '/api/v1/jobs', GENERATION);
    const metrics = await (await ask(open, 'GET', '/metrics')).text();
    expect(metrics).toMatch(
      /evenhand_http_request_seconds_count\{method="GET",route="\/healthz",status="200"\} 1/,
    );
    expect(metrics).toMatch(/evenhand_jobs\{lane="draw",status="queued"\} \d/);
    const page = await ask(open, 'GET', '/');
    expect(await page.text()).toContain('The browser terminal is not built');
  });
});
