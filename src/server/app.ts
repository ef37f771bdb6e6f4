/** The HTTP API of a server as a function from requests to answers; nothing here listens or starts a process. */

import { OpenAPIHono } from '@hono/zod-openapi';
import { compress } from 'hono/compress';
import { requestId } from 'hono/request-id';
import { authenticate } from './accounts/authenticate.ts';
import {
  checkBody,
  checkHost,
  checkOrigin,
  LARGEST_BODY,
  LARGEST_IMAGE_BODY,
  limitBody,
  takesFile,
} from './accounts/guard.ts';
import { protectiveHeaders } from './accounts/headers.ts';
import { answerErrors, refuseInvalid, unknownRoute } from './answer_errors.ts';
import type { App, AppEnv, ServerContext } from './context.ts';
import { logRequests } from './operations/logger.ts';
import { addAccountRoutes } from './routes/accounts.ts';
import { addAutomatic1111Routes } from './routes/automatic1111.ts';
import { addBrowserModelRoutes } from './routes/browser_models.ts';
import { addDocumentationRoutes } from './routes/documentation.ts';
import { addEventRoutes } from './routes/events.ts';
import { addExportRoutes } from './routes/exports.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addJudgementRoutes, JUDGEMENTS } from './routes/judgements.ts';
import { addOpenAiRoutes } from './routes/openai.ts';
import { addOperationRoutes } from './routes/operations.ts';
import { addResourceRoutes } from './routes/resources.ts';
import { addTerminalRoutes } from './routes/terminal.ts';

/** Routes that take images. */
const IMAGE_ROUTES: readonly string[] = ['/sdapi/v1/png-info', JUDGEMENTS];

/** Makes the API of a server. */
export function createApp(context: ServerContext): App {
  const app: App = new OpenAPIHono<AppEnv>({ defaultHook: refuseInvalid as never });
  app.use(requestId({ limitLength: 100 }));
  app.use(logRequests(context));
  app.use(protectiveHeaders(context.secure));
  app.use(checkHost(context));
  app.use(checkOrigin());
  app.use(checkBody());
  const limit = limitBody(LARGEST_BODY);
  const limitImage = limitBody(LARGEST_IMAGE_BODY);
  app.use((c, next) => {
    if (takesFile(c.req)) return next();
    return IMAGE_ROUTES.includes(c.req.path) ? limitImage(c, next) : limit(c, next);
  });
  app.use(compress());
  app.use(authenticate(context));
  app.onError(answerErrors(context));
  app.notFound(unknownRoute);
  addOperationRoutes(app, context);
  addAccountRoutes(app, context);
  addEventRoutes(app, context);
  addJobRoutes(app, context);
  addResourceRoutes(app, context);
  addExportRoutes(app, context);
  addBrowserModelRoutes(app, context);
  addJudgementRoutes(app, context);
  addOpenAiRoutes(app, context);
  addAutomatic1111Routes(app, context);
  addDocumentationRoutes(app, context);
  addTerminalRoutes(app, context);
  return app;
}
