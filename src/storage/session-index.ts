import { Worker } from 'node:worker_threads';
import { StorageError } from './errors.ts';
import type { SessionDetail, SessionFilter, SessionPage } from './session-index-queries.ts';

export interface SessionIndexOptions {
  /** SQLite file; made when it is not there, and made anew from the ledger when it is of another version. */
  readonly path: string;
  /** Folder of the ledger to follow; without it the index is only asked. */
  readonly ledger?: string;
  /** How often the ledger is looked at, in milliseconds; 500 by default. */
  readonly everyMs?: number;
  /** Called with what is wrong when the index cannot follow, and with undefined when it can again. */
  readonly onProblem?: (problem: string | undefined) => void;
}

/** Sessions and statements, found fast. Follows the ledger's checkpoints, so it is up to a second or two behind; never evidence. */
export interface SessionIndex {
  listSessions(filter?: SessionFilter): Promise<SessionPage>;
  /** Undefined when no record names such a session. */
  showSession(id: string): Promise<SessionDetail | undefined>;
  /** Takes in everything that the ledger has published, now. @returns how many entries the index knows. */
  refresh(): Promise<number>;
  /** Forgets everything and reads the ledger again, e.g. after values were erased from it. */
  rebuild(): Promise<number>;
  close(): Promise<void>;
}

export interface IndexWorkerData {
  readonly path: string;
  readonly ledger?: string;
  readonly everyMs: number;
}

export type IndexQuestion =
  | { readonly ask: 'list'; readonly filter: SessionFilter }
  | { readonly ask: 'show'; readonly id: string }
  | { readonly ask: 'refresh' | 'rebuild' | 'close' };

export interface IndexAnswer {
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly problem?: string | null;
}

/** Sources run as they are; what is published was compiled, and the name of a file in `new URL` is not rewritten by the compiler. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './session-index-worker.ts' : './session-index-worker.js',
  import.meta.url,
);

export function createSessionIndex(options: SessionIndexOptions): SessionIndex {
  return new IndexClient(options);
}

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class IndexClient implements SessionIndex {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  readonly #onProblem: ((problem: string | undefined) => void) | undefined;
  #last = 0;
  #stopped: StorageError | undefined;

  constructor({ path, ledger, everyMs = 500, onProblem }: SessionIndexOptions) {
    this.#onProblem = onProblem;
    const workerData: IndexWorkerData = { path, everyMs, ...(ledger === undefined ? {} : { ledger }) };
    this.#worker = new Worker(WORKER, { workerData, name: 'session-index' });
    this.#worker.unref();
    this.#worker.on('message', (answer: IndexAnswer) => this.#answered(answer));
    this.#worker.on('error', (error: Error) => this.#stop(error.message));
    this.#worker.on('exit', () => this.#stop('its thread has ended'));
  }

  async listSessions(filter: SessionFilter = {}): Promise<SessionPage> {
    return (await this.#ask({ ask: 'list', filter })) as SessionPage;
  }

  async showSession(id: string): Promise<SessionDetail | undefined> {
    return (await this.#ask({ ask: 'show', id })) as SessionDetail | undefined;
  }

  async refresh(): Promise<number> {
    return (await this.#ask({ ask: 'refresh' })) as number;
  }

  async rebuild(): Promise<number> {
    return (await this.#ask({ ask: 'rebuild' })) as number;
  }

  async close(): Promise<void> {
    if (this.#stopped === undefined) await this.#ask({ ask: 'close' }).catch(() => undefined);
    this.#stopped = new StorageError('ERR_STORAGE_CLOSED', 'The session index is closed.');
    await this.#worker.terminate();
  }

  #ask(question: IndexQuestion): Promise<unknown> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      // A question keeps the process alive, an idle index does not.
      this.#worker.ref();
      this.#worker.postMessage({ id, question });
    });
  }

  #answered({ id, value, error, problem }: IndexAnswer): void {
    if (problem !== undefined) this.#onProblem?.(problem ?? undefined);
    if (id === undefined) return;
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (this.#asked.size === 0) this.#worker.unref();
    if (error === undefined) asked?.resolve(value);
    else
      asked?.reject(
        new StorageError(
          'ERR_STORAGE_CORRUPT',
          `The session index could not answer: ${error}. It can be made anew from the ledger.`,
        ),
      );
  }

  #stop(why: string): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = new StorageError(
      'ERR_STORAGE_CLOSED',
      `The session index has stopped: ${why}. Restart the gateway; delete the index file if it happens again, it is made anew from the ledger.`,
    );
    for (const { reject } of this.#asked.values()) reject(this.#stopped);
    this.#asked.clear();
    this.#onProblem?.(this.#stopped.message);
  }
}
