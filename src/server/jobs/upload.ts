/** Adapters that are sent from elsewhere: received, checked in a worker process, and kept like those of the server's own runs. */

import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import { makeFolder } from '../../weights/make_folder.ts';
import type { ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import { jobTargetSchema } from '../schemas/jobs.ts';
import type { AdapterRow } from '../storage/adapters.ts';
import { adapterFile, findAdapter, insertUpload } from '../storage/adapters.ts';
import { newId } from '../storage/jobs.ts';
import { BodyTooLarge, receiveFile } from '../storage/receive_file.ts';

/** An upload: its wished name and model, and the file itself. */
export interface AdapterUpload {
  readonly name: string;
  /** Model by name; the server's first when left out. */
  readonly model: string | undefined;
  readonly body: ReadableStream<Uint8Array> | null;
  /** What the client says of the body's length; null where it says nothing. */
  readonly declaredBytes: number | null;
}

/**
 * Receives an adapter.
 * @throws ApiFault when the name is taken, the model unknown, the body too large, no adapter, or one of another model
 */
export async function uploadAdapter(context: ServerContext, upload: AdapterUpload): Promise<AdapterRow> {
  const { name, body, declaredBytes } = upload;
  const { db, data, largestUpload, draining } = context;
  if (draining) throw new ApiFault('shutting_down', 'the server is shutting down', { retryAfter: 30 });
  const model = context.catalogue.model(upload.model);
  if ((await findAdapter(db, name)) !== undefined) throw nameTaken(name);
  const tooLarge = `body: expected at most ${largestUpload} bytes`;
  if ((declaredBytes ?? 0) > largestUpload) throw new ApiFault('body_too_large', tooLarge);
  if (body === null) throw new ApiFault('does_not_fit', 'body: expected a .safetensors file, received none');
  const id = newId('adapter');
  // Hidden until it is checked.
  const incoming = path.join(data.path, 'adapters', `.${id}.safetensors`);
  makeFolder(path.dirname(incoming));
  try {
    const received = await receiveFile(body, incoming, largestUpload).catch((error: unknown) => {
      if (error instanceof BodyTooLarge) throw new ApiFault('body_too_large', tooLarge, { cause: error });
      throw error;
    });
    const { metadata } = await context.queue.checkAdapter({ file: incoming, modelFolder: model.folder });
    const row = await insertUpload(context, incoming, {
      ...received,
      id,
      name,
      model: model.name,
      target: targetOf(metadata),
      file: adapterFile(id),
    });
    if (row === undefined) throw nameTaken(name);
    return row;
  } finally {
    rmSync(incoming, { force: true });
  }
}

function nameTaken(name: string): ApiFault {
  return new ApiFault('conflict', `name: expected one that no adapter has, received ${name}`, {
    field: 'name',
  });
}

/** The target that Evenhand wrote into the file; null where there is none that can be read. */
function targetOf(metadata: Readonly<Record<string, string>>): unknown {
  try {
    return jobTargetSchema.safeParse(JSON.parse(metadata['evenhand.target'] ?? 'null')).data ?? null;
  } catch {
    return null;
  }
}
