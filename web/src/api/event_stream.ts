/** Server-sent events over fetch (HTML standard, 9.2.6), which unlike EventSource can carry an access key. */

/** One event of a stream. */
export interface StreamEvent {
  /** Its type; `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
  /** Id of the last event that had one. */
  readonly id: string;
}

/** Takes text as it arrives and gives events once they are complete. */
export function createEventParser(): (text: string) => StreamEvent[] {
  let rest = '';
  let type = '';
  let data: string[] = [];
  let id = '';
  return (text) => {
    const events: StreamEvent[] = [];
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), id });
        type = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'event') type = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
    }
    return events;
  };
}

/** Reads a response's events until it ends. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const parse = createEventParser();
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parse(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
