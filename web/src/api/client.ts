/** The API of the server that this page came from, one function a route. */

import { ApiError } from './errors.ts';
import type {
  Adapter,
  AdapterExport,
  BrowserModel,
  Estimate,
  FinetuneRequest,
  Job,
  JobFile,
  JobKind,
  JobList,
  JobRequest,
  Measured,
  Model,
  PromptSet,
  PromptSetContent,
  Session,
  Understanding,
} from './types.ts';

/** Address of a path of the server, wherever the page is mounted; addresses that the server gives stay as they are. */
export function serverUrl(path: string): string {
  return new URL(path, document.baseURI).href;
}

/** Reads the server's error body, its own shape or RFC 9457's. */
async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as Record<string, unknown> | null;
  const error = (body?.error ?? body ?? {}) as Record<string, unknown>;
  const words = [error.message, error.detail, error.title].find((each) => typeof each === 'string');
  const named = (name: string) => (typeof error[name] === 'string' ? (error[name] as string) : null);
  const remedy = named('remedy');
  return new ApiError(
    response.status,
    (words as string | undefined) ?? `The server answered ${response.status} ${response.statusText}`.trim(),
    { code: named('code'), field: named('field'), ...(remedy === null ? {} : { remedy }) },
  );
}

/**
 * Asks the server.
 * @throws ApiError with the server's message, or with status 0 where no answer came; the signal's reason when it is raised
 */
export async function ask(method: string, path: string, options: AskOptions = {}): Promise<Response> {
  const { body, file, signal, headers = {} } = options;
  const type = file === undefined ? 'application/json' : 'application/octet-stream';
  const content = file ?? (body === undefined ? undefined : JSON.stringify(body));
  let response: Response;
  try {
    response = await fetch(serverUrl(path), {
      method,
      headers: content === undefined ? headers : { 'content-type': type, ...headers },
      ...(content === undefined ? {} : { body: content }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0, `The server does not answer (${(error as Error).message}).`);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** What goes with a request. */
export interface AskOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of a body. */
  readonly file?: Blob;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

async function json<Body>(method: string, path: string, options?: AskOptions): Promise<Body> {
  const response = await ask(method, path, options);
  return (response.status === 204 ? undefined : await response.json()) as Body;
}

const jobPath = (id: string) => `api/v1/jobs/${encodeURIComponent(id)}`;

/** Who is asking, and which server answers. */
export function getSession(): Promise<Session> {
  return json('GET', 'api/v1/session');
}

/** Starts a session in this browser with an access key. */
export function logIn(key: string): Promise<Session> {
  return json('POST', 'api/v1/session', { body: { key } });
}

/** Ends the session of this browser. */
export function logOut(): Promise<void> {
  return json('DELETE', 'api/v1/session');
}

/** Models that the server can use. */
export async function listModels(): Promise<readonly Model[]> {
  return (await json<{ models: Model[] }>('GET', 'api/v1/models')).models;
}

/** What this browser needs to draw with a model itself. */
export function getBrowserModel(name: string): Promise<BrowserModel> {
  return json('GET', `api/v1/models/${encodeURIComponent(name)}/browser`);
}

/** Adapters, newest first. */
export async function listAdapters(): Promise<readonly Adapter[]> {
  return (await json<{ adapters: Adapter[] }>('GET', 'api/v1/adapters')).adapters;
}

/** Sends the file of an adapter. */
export function uploadAdapter(file: Blob, name: string, model: string): Promise<Adapter> {
  return json('POST', `api/v1/adapters?${new URLSearchParams({ name, model })}`, { file });
}

/** Makes an adapter ready for another program; what comes back says where it can be fetched. */
export function prepareExport(
  id: string,
  choice: { readonly format: AdapterExport['format']; readonly dtype?: string; readonly token?: string },
): Promise<AdapterExport> {
  return json('POST', `api/v1/adapters/${encodeURIComponent(id)}/export?${new URLSearchParams(choice)}`);
}

/** Removes an adapter. */
export function deleteAdapter(id: string): Promise<void> {
  return json('DELETE', `api/v1/adapters/${encodeURIComponent(id)}`);
}

/** Prompt sets by name. */
export async function listPromptSets(): Promise<readonly PromptSet[]> {
  return (await json<{ promptSets: PromptSet[] }>('GET', 'api/v1/prompt-sets')).promptSets;
}

/** The prompts of one part of a set. */
export function getPromptSet(name: string, split: 'train' | 'test'): Promise<PromptSetContent> {
  return json('GET', `api/v1/prompt-sets/${encodeURIComponent(name)}?split=${split}`);
}

/** Sends a job. */
export function submitJob(request: JobRequest): Promise<Job> {
  return json('POST', 'api/v1/jobs', { body: request });
}

/** How a job stands. */
export function getJob(id: string, signal?: AbortSignal): Promise<Job> {
  return json('GET', jobPath(id), signal ? { signal } : {});
}

/** Jobs of a kind, newest first. */
export async function listJobs(kind: JobKind, limit = 20): Promise<readonly Job[]> {
  return (await json<JobList>('GET', `api/v1/jobs?kind=${kind}&limit=${limit}`)).jobs;
}

/** Stops a job; a fine-tuning keeps its checkpoints. */
export function cancelJob(id: string): Promise<Job> {
  return json('POST', `${jobPath(id)}/cancel`);
}

/** Lets a stopped fine-tuning or audit go on from what it left. */
export function resumeJob(id: string): Promise<Job> {
  return json('POST', `${jobPath(id)}/resume`);
}

/** Files that a job has written so far. */
export async function listJobFiles(id: string, signal?: AbortSignal): Promise<readonly JobFile[]> {
  const options = signal ? { signal } : {};
  return (await json<{ files: JobFile[] }>('GET', `${jobPath(id)}/files`, options)).files;
}

/** What a prompt says. */
export function understandPrompt(prompt: string, signal?: AbortSignal): Promise<Understanding> {
  return json('POST', 'api/v1/understand', { body: { prompt }, ...(signal ? { signal } : {}) });
}

/** Who is in images, PNG files in base64, as the judges of a model see them. */
export function judgeImages(images: readonly string[], model: string): Promise<Measured> {
  return json('POST', 'api/v1/judgements', { body: { images, ...(model === '' ? {} : { model }) } });
}

/** What a fine-tuning would cost. */
export function estimateFinetuning(request: FinetuneRequest, signal?: AbortSignal): Promise<Estimate> {
  return json('POST', 'api/v1/estimates', { body: request, ...(signal ? { signal } : {}) });
}
