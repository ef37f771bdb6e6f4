/** JSON object files (configs, indexes) read with errors that name the file. */

import { readFileSync } from 'node:fs';
import { isJsonObject, type JsonObject } from './json_object.ts';

export { isJsonObject, type JsonObject } from './json_object.ts';

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
