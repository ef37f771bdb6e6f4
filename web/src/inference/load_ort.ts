/** Loads ONNX Runtime Web, on WebGPU where this browser has it and on WebAssembly elsewhere; its files come from our own server. */

import gpuGlue from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import gpuWasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasmGlue from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { Processor } from './messages.ts';
import type { OrtModule } from './web_runtime.ts';

/** Most threads; beyond them small graphs gain nothing. */
const MOST_THREADS = 4;

/** ONNX Runtime with what it runs on. */
export interface LoadedOrt {
  readonly ort: OrtModule;
  readonly processor: Processor;
  readonly threads: number;
}

/** Whether this browser gives out a graphics processor. */
export async function hasGpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  try {
    return gpu !== undefined && (await gpu.requestAdapter()) !== null;
  } catch {
    return false;
  }
}

/** Loads ONNX Runtime for a processor. Threads need a page that shares memory (COOP and COEP). */
export async function loadOrt(processor: Processor): Promise<LoadedOrt> {
  const absolute = (address: string) => new URL(address, self.location.href).href;
  const onGpu = processor === 'webgpu';
  const ort = onGpu ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  const threads =
    onGpu || !self.crossOriginIsolated ? 1 : Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = {
    mjs: absolute(onGpu ? gpuGlue : wasmGlue),
    wasm: absolute(onGpu ? gpuWasm : wasm),
  };
  return { ort, processor, threads };
}
