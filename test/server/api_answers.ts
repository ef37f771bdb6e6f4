/** What tests of the API read in answers: bodies, and errors of the catalogue. */

import { expect } from 'vitest';

/** A generation that leaves everything open. */
export const GENERATION = Object.freeze({ kind: 'generate', prompts: ['a nurse'] });

/** The JSON of an answer. */
// biome-ignore lint/suspicious/noExplicitAny: what the bodies hold is what the tests are about
export async function jsonOf(answer: Response | Promise<Response>): Promise<any> {
  return (await answer).json();
}

/** Status, code and field of an error, whose request id is the one of the header. */
export async function errorOf(answer: Promise<Response>): Promise<[number, string, string]> {
  const { status, headers } = await answer;
  const { error } = (await (await answer).json()) as {
    error: { code: string; field?: string; requestId: string };
  };
  expect(error.requestId).toBe(headers.get('x-request-id'));
  return [status, error.code, error.field ?? ''];
}
