/** Messages between the page and the worker that draws on this device. */

import type { Adapter, BrowserModel } from '../api/types.ts';

/** Where this device runs models. */
export type Processor = 'webgpu' | 'wasm';

/** Images to draw: one prompt, seeds that count on from the first. */
export interface DeviceRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly images: number;
  readonly seed: number;
  readonly steps: number;
  /** `null` for the model's own. */
  readonly guidanceScale: number | null;
  /** How strongly the adapter counts. */
  readonly adapterScale: number;
  /** Previews of each image. */
  readonly previews: number;
}

/** An adapter as the worker needs it; its address is absolute. */
export type DeviceAdapter = Pick<Adapter, 'name' | 'sha256' | 'url'>;

/** What the page asks for. Addresses are absolute. */
export type ToWorker =
  | {
      readonly kind: 'draw';
      readonly id: string;
      readonly model: BrowserModel;
      readonly adapter: DeviceAdapter | null;
      readonly request: DeviceRequest;
    }
  | { readonly kind: 'cancel'; readonly id: string }
  /** Fetches an adapter ahead of its use. */
  | { readonly kind: 'fetch'; readonly adapter: DeviceAdapter };

/** What the worker tells. */
export type FromWorker =
  | { readonly kind: 'loading'; readonly loaded: number; readonly bytes: number }
  | {
      readonly kind: 'ready';
      readonly processor: Processor;
      readonly threads: number;
      /** Why the graphics processor that this device has is not used; `null` where it has none, or uses it. */
      readonly instead: string | null;
    }
  | {
      readonly kind: 'progress';
      readonly id: string;
      /** Finished steps of all images, and steps in all. */
      readonly step: number;
      readonly steps: number;
      readonly secondsLeft: number | null;
    }
  | {
      readonly kind: 'preview';
      readonly id: string;
      readonly index: number;
      readonly step: number;
      readonly steps: number;
      readonly png: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'image';
      readonly id: string;
      readonly index: number;
      readonly seed: number;
      readonly width: number;
      readonly height: number;
      readonly png: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'end';
      readonly id: string;
      readonly status: 'succeeded' | 'cancelled' | 'failed';
      /** Why it failed. */
      readonly message: string | null;
    }
  | {
      readonly kind: 'fetched';
      readonly sha256: string;
      /** Why it could not be fetched; `null` when it is here. */
      readonly fault: string | null;
    };
