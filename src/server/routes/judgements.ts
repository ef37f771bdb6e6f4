/** Route on which a browser that draws by itself has its images judged. */

import { createRoute, type z } from '@hono/zod-openapi';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import { judgementRequestSchema, judgementSchema } from '../schemas/judgements.ts';
import { jsonAnswer, jsonBody, refusals, security } from './shared.ts';

/** Address of the route; its bodies may be as large as those of other routes that take images. */
export const JUDGEMENTS = '/api/v1/judgements';

const route = createRoute({
  tags: ['resources'],
  security,
  middleware: requireScope('generate'),
  method: 'post',
  path: JUDGEMENTS,
  summary: 'Who is in images: attributes of their faces, by the classifier that evaluations use',
  request: jsonBody(judgementRequestSchema),
  responses: { 200: jsonAnswer('Counts and shares', judgementSchema), ...refusals },
});

/** Adds the route of judgements. */
export function addJudgementRoutes(app: App, { catalogue, queue }: ServerContext): void {
  app.openapi(route, async (c) => {
    const { model: name, images } = c.req.valid('json');
    const { folder, canEvaluate, name: found } = catalogue.model(name);
    if (!canEvaluate) {
      throw new ApiFault('does_not_fit', `model ${found}: expected judges beside it, found none`, {
        field: 'model',
      });
    }
    const judged = await queue.judge({ modelFolder: folder, images });
    return c.json(judged as z.infer<typeof judgementSchema>, 200);
  });
}
