/** The OpenAPI document and a page that shows it: plain HTML, written here, without scripts. */

import { escapeMarkup } from '../../evaluate/figures/svg.ts';
import type { App, ServerContext } from '../context.ts';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: unknown }>> };
  readonly responses?: Readonly<Record<string, { readonly description?: string; readonly content?: object }>>;
}

interface Document {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/** Adds `/openapi.json` and `/docs`; both tell what the routes are and nothing of what the server holds. */
export function addDocumentationRoutes(app: App, { version }: ServerContext): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  let document: Document | null = null;
  const read = () => {
    document ??= app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Evenhand',
        version,
        description: 'Draws, fine-tunes towards a chosen distribution, and measures.',
      },
    }) as unknown as Document;
    return document;
  };
  app.get('/openapi.json', (c) => c.json(read() as object));
  app.get('/docs', (c) => c.html(page(read())));
}

function page({ info, paths = {}, components = {} }: Document): string {
  const operations = Object.entries(paths).flatMap(([address, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ address, method, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? 'others'))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation.tags?.[0] ?? 'others') === tag);
    return `<section><h2>${escapeMarkup(tag)}</h2>${own.map(describeOperation).join('')}</section>`;
  });
  const schemas = Object.entries(components.schemas ?? {}).map(
    ([name, schema]) =>
      `<details id="${escapeMarkup(name)}"><summary><code>${escapeMarkup(name)}</code></summary>` +
      `<pre>${linked(schema)}</pre></details>`,
  );
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeMarkup(info.title)} API</title>` +
    '<meta name="viewport" content="width=device-width, initial-scale=1"><style>' +
    'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}' +
    'pre{overflow:auto;background:#f4f4f4;padding:1rem}summary{cursor:pointer;padding:.3rem 0}' +
    '.method{display:inline-block;min-width:4.5rem;font-weight:600;text-transform:uppercase}' +
    '@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#181818}pre{background:#262626}a{color:#8ab4f8}}' +
    `</style></head><body><main><h1>${escapeMarkup(info.title)} ${escapeMarkup(info.version)}</h1>` +
    '<p>The whole contract as <a href="/openapi.json">OpenAPI 3.1</a>.</p>' +
    `${sections.join('')}<section><h2>Schemas</h2>${schemas.join('')}</section></main></body></html>\n`
  );
}

function describeOperation(each: { address: string; method: string; operation: Operation }): string {
  const { summary = '', description, parameters = [], requestBody, responses = {} } = each.operation;
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(responses).map(
    ([status, { description: what = '' }]) => `<li><code>${status}</code> ${escapeMarkup(what)}</li>`,
  );
  const content = Object.values(responses)
    .flatMap((response) => Object.values(response.content ?? {}))
    .map((given) => (given as { schema?: unknown }).schema);
  return [
    `<details><summary><span class="method">${each.method}</span> <code>${escapeMarkup(each.address)}</code> `,
    `${escapeMarkup(summary)}</summary>`,
    description === undefined ? '' : `<p>${escapeMarkup(description)}</p>`,
    parameters.length === 0
      ? ''
      : `<p>Parameters: ${parameters
          .map(
            ({ name, in: place, required }) =>
              `<code>${escapeMarkup(name)}</code> (${place}${required ? ', required' : ''})`,
          )
          .join(', ')}</p>`,
    body === undefined ? '' : `<p>Body:</p><pre>${linked(body)}</pre>`,
    `<ul>${answers.join('')}</ul>`,
    content[0] === undefined ? '' : `<pre>${linked(content[0])}</pre>`,
    '</details>',
  ].join('');
}

/** A schema as JSON in which references are links. */
function linked(schema: unknown): string {
  return escapeMarkup(JSON.stringify(schema, null, 2)).replace(
    /#\/components\/schemas\/(\w+)/g,
    (whole, name) => `<a href="#${name}">${whole}</a>`,
  );
}
