/** How the terminal is built: static files in `web/dist` that work under any path; `npm run dev` reaches a running server. */

import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig } from 'vite';

/** Server that the development server passes requests on to. */
const SERVER = process.env.EVENHAND_SERVER ?? 'http://127.0.0.1:8080';

/** The policies under which a page may share memory between threads; the server sends them too. */
const ISOLATED = {
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Opener-Policy': 'same-origin',
};

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  // ONNX Runtime's WebAssembly and its threads are files of their own, loaded where they are needed.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2023', sourcemap: false },
  worker: { format: 'es' },
  server: { proxy: { '/api': SERVER, '/v1': SERVER }, headers: ISOLATED },
});
