/** Headers that keep browsers from doing more with an answer than it is for. */

import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { AppEnv } from '../context.ts';

const POLICY = 'Content-Security-Policy';

/** For answers of every route; pages and scripts come from this server alone. A route's own content policy stands. */
export function protectiveHeaders(secure: boolean): MiddlewareHandler<AppEnv> {
  const protect = secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      baseUri: ["'none'"],
      // Images that the terminal drew are read back to be judged.
      connectSrc: ["'self'", 'blob:'],
      fontSrc: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'self'"],
      frameSrc: ["'self'"],
      imgSrc: ["'self'", 'data:', 'blob:'],
      objectSrc: ["'none'"],
      // The terminal draws in the browser: ONNX Runtime is WebAssembly.
      scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
      // Charts set the sizes of their parts in style attributes.
      styleSrc: ["'self'", "'unsafe-inline'"],
      workerSrc: ["'self'", 'blob:'],
    },
    // With both policies the terminal may share memory between threads.
    crossOriginEmbedderPolicy: 'require-corp',
    crossOriginOpenerPolicy: 'same-origin',
    crossOriginResourcePolicy: 'same-origin',
    referrerPolicy: 'no-referrer',
    xFrameOptions: 'SAMEORIGIN',
    strictTransportSecurity: secure ? 'max-age=31536000' : false,
    permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
  });
  return async function setHeaders(c, next) {
    let own: string | null = null;
    await protect(c, async () => {
      await next();
      own = c.res.headers.get(POLICY);
    });
    if (own !== null) c.res.headers.set(POLICY, own);
  };
}

/** For pages among the files of jobs: they may show themselves, and run, load and send nothing. */
export const FILE_POLICY =
  "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'";
