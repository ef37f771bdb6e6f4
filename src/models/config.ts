/** Reading of model configurations: zod schemas over the published config.json files, with errors that name the field. */

import type { z } from 'zod';

/**
 * Checks a parsed config.json against the schema of its model.
 * @param model name of the model, put in front of every message
 * @returns the configuration with defaults filled in, frozen
 * @throws Error listing every field that is missing, of the wrong type or set to something this model does not support
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  json: unknown,
  model: string,
): Readonly<z.output<Schema>> {
  const result = schema.safeParse(json);
  if (result.success) return Object.freeze(result.data);
  const faults = result.error.issues.map((issue) => {
    const field = issue.path.join('.') || 'config';
    const received = valueAt(json, issue.path);
    return `${field}: ${issue.message} (received ${JSON.stringify(received) ?? 'nothing'})`;
  });
  throw new Error(`${model} configuration: ${faults.join('; ')}`);
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
