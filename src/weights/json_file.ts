/** JSON object files (configs, indexes) read with errors that name the file. */

import { readFileSync } from 'node:fs';

/** Parsed JSON object, its values unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a parsed JSON value is an object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a JSON file that must hold an object.
 * @throws when the file cannot be read, is not JSON, or holds something other than an object; the message
 * names the file
 */
export function readJsonObject(path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: cannot be read as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isJsonObject(value)) throw new Error(`${path}: expected a JSON object`);
  return value;
}
