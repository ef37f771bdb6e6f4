/** Fetches files of the server, telling how much has come. */

/**
 * The bytes at an address; the browser's own cache keeps what the server calls immutable.
 * @param expected bytes that will come
 * @param onBytes called with the number of bytes so far
 * @throws Error with the server's status, or when fewer or more bytes came
 */
export async function fetchBytes(
  address: string,
  expected: number | null = null,
  onBytes: (loaded: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address);
  if (!response.ok || response.body === null) {
    throw new Error(`${new URL(address).pathname}: the server answered ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    loaded += next.value.length;
    onBytes(loaded);
  }
  if (expected !== null && loaded !== expected) {
    throw new Error(`${new URL(address).pathname}: expected ${expected} bytes, received ${loaded}`);
  }
  const bytes = new Uint8Array(loaded);
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}
