import type { Query } from './read.ts';

export interface WatchChannel {
  readonly query: Query;
  readonly close: () => Promise<void> | void;
}

/** Nobody has asked for so long: the connection is given back. */
const IDLE_MS = 10_000;

/** A connection to a target that is opened when somebody asks, and given back when nobody has for a while. */
export class IdleChannel {
  readonly #open: () => Promise<WatchChannel>;
  readonly #onDrop: () => void;
  #channel: Promise<WatchChannel> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onDrop`: what was learnt over this connection may not hold for the next one, which can lead to another server. */
  constructor(open: () => Promise<WatchChannel>, onDrop: () => void = () => undefined) {
    this.#open = open;
    this.#onDrop = onDrop;
  }

  /** Asks over the connection; once more over a new one, when the one that stood idle turns out to be closed. */
  async ask<T>(question: (query: Query) => Promise<T>): Promise<T> {
    const known = this.#channel !== undefined;
    try {
      return await this.#once(question);
    } catch (error) {
      this.#drop();
      if (!known || this.#closed) throw error;
      return await this.#once(question);
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #once<T>(question: (query: Query) => Promise<T>): Promise<T> {
    this.#channel ??= this.#open();
    const { query } = await this.#channel;
    const answer = await question(query);
    if (this.#closed) this.#drop();
    else if (this.#idle) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#drop(), IDLE_MS).unref();
    return answer;
  }

  #drop(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    this.#onDrop();
    channel?.then((open) => open.close()).catch(() => undefined);
  }
}
