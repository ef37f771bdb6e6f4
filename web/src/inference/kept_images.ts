/** Images that this device drew, kept by the browser until their drawing is removed from the list. */

import { serverUrl } from '../api/client.ts';
import type { GeneratedImage } from '../api/types.ts';

const CACHE = 'evenhand-drawings';
/** What an image is besides its pixels, as JSON. */
const HEADER = 'x-image';

/** Address under which a drawing's images are kept; nothing is ever asked for there. */
function folderOf(job: string): string {
  return serverUrl(`kept/${job}/`);
}

/** The store; `null` where the browser has none, as without a secure connection. */
function openStore(): Promise<Cache> | null {
  return 'caches' in globalThis ? caches.open(CACHE) : null;
}

/** Keeps an image; nothing happens where the browser keeps nothing. */
export async function keepImage(job: string, image: GeneratedImage, png: Blob): Promise<void> {
  const headers = { 'content-type': png.type, [HEADER]: encodeURIComponent(JSON.stringify(image)) };
  const store = await openStore();
  await store?.put(`${folderOf(job)}${image.index}`, new Response(png, { headers }));
}

/** The images of a drawing that are kept, with addresses of their pixels. */
export async function keptImages(job: string): Promise<readonly GeneratedImage[]> {
  const store = await openStore();
  if (store === null) return [];
  const images: GeneratedImage[] = [];
  for (const request of await keysOf(store, job)) {
    const response = await store.match(request);
    const text = response?.headers.get(HEADER);
    if (!response || !text) continue;
    const image = JSON.parse(decodeURIComponent(text)) as GeneratedImage;
    images.push({ ...image, url: URL.createObjectURL(await response.blob()) });
  }
  return images;
}

/** Lets go of a drawing's images. */
export async function forgetImages(job: string): Promise<void> {
  const store = await openStore();
  if (store === null) return;
  for (const request of await keysOf(store, job)) await store.delete(request);
}

async function keysOf(store: Cache, job: string): Promise<readonly Request[]> {
  const folder = folderOf(job);
  return (await store.keys()).filter(({ url }) => url.startsWith(folder));
}
