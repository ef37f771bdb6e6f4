/** Sessions by key, whose working memory gives way to that of others when memory runs short: they are made anew when next used. */

/** What the shelf needs of a session. */
export interface Closable {
  release(): Promise<unknown>;
}

/** How to make a session, and what it takes. */
export interface ShelfEntry<Session extends Closable> {
  create(): Promise<Session>;
  /** Bytes that a run takes beside the weights, which the session keeps for the next one; 0 for little. */
  readonly workingBytes: number;
  /** Bytes of the weights' files that are read: they stay resident with the session. */
  readonly mappedBytes: number;
  /** Whether it stays whatever happens: a profile ends with its session. */
  readonly stays: boolean;
}

interface Held<Session extends Closable> {
  readonly entry: ShelfEntry<Session>;
  session: Session | null;
  /** Whether a run has taken its working memory. */
  hasRun: boolean;
}

/** ONNX Runtime's arenas grow beyond the values that live at once: convolutions unfold their images, blocks are rounded up. */
const ARENA_FACTOR = 1.25;

/** Sessions in the order of their last use. */
export class SessionShelf<Session extends Closable> {
  readonly #held = new Map<string, Held<Session>>();
  readonly #available: () => number;

  /** @param available bytes of memory that the process can still take */
  constructor(available: () => number) {
    this.#available = available;
  }

  /** Makes a session and keeps it. */
  async add(key: string, entry: ShelfEntry<Session>): Promise<void> {
    this.#held.set(key, { entry, session: await entry.create(), hasRun: false });
  }

  /**
   * The session of a key, ready to run: if memory does not suffice, sessions that were used longer ago are released first.
   * @throws Error when there is none of this key
   */
  async use(key: string): Promise<Session> {
    const held = this.#held.get(key);
    if (held === undefined) throw new Error(`session ${key} was released`);
    // Last in the order: used just now.
    this.#held.delete(key);
    this.#held.set(key, held);
    if (held.entry.workingBytes > 0) await this.#makeRoom(held);
    held.session ??= await held.entry.create();
    held.hasRun = true;
    return held.session;
  }

  /** The session of a key as it is; `null` where it gave way. */
  peek(key: string): Session | null {
    return this.#held.get(key)?.session ?? null;
  }

  /** Releases a session for good. */
  async remove(key: string): Promise<void> {
    const held = this.#held.get(key);
    this.#held.delete(key);
    await held?.session?.release();
  }

  async #makeRoom(forWhom: Held<Session>): Promise<void> {
    // Whoever has run holds what it needs: others go only if there is too little for all of them already.
    const { workingBytes, mappedBytes } = forWhom.entry;
    const needed = forWhom.hasRun ? 0 : ARENA_FACTOR * workingBytes + mappedBytes;
    for (const held of this.#held.values()) {
      if (this.#available() >= needed) return;
      if (held === forWhom || held.session === null || !held.hasRun) continue;
      if (held.entry.stays || held.entry.workingBytes === 0) continue;
      const { session } = held;
      held.session = null;
      held.hasRun = false;
      await session.release();
    }
  }
}
