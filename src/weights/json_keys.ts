/**
 * Search for object keys that occur twice in a JSON text, which `JSON.parse` silently resolves to the last
 * one.
 */

/**
 * First key that occurs twice within one object of the JSON text, or undefined.
 * @param text valid JSON (parse it first)
 */
export function findDuplicateKey(text: string): string | undefined {
  // One entry an open bracket: the keys seen so far for an object, null for an array.
  const open: (Set<string> | null)[] = [];
  let expectKey = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '{') {
      open.push(new Set());
      expectKey = true;
    } else if (character === '[') {
      open.push(null);
      expectKey = false;
    } else if (character === '}' || character === ']') {
      open.pop();
      expectKey = false;
    } else if (character === ',') {
      expectKey = open.at(-1) instanceof Set;
    } else if (character === '"') {
      const start = index;
      index++;
      while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
      if (!expectKey) continue;
      const key = JSON.parse(text.slice(start, index + 1)) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
      expectKey = false;
    }
  }
  return undefined;
}
