/** How the terminal is built: static files in `web/dist` that work under any path; `npm run dev` reaches a running server. */

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Server that the development server passes requests on to. */
const SERVER = process.env.EVENHAND_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2023', sourcemap: false },
  server: { proxy: { '/api': SERVER, '/v1': SERVER } },
});
