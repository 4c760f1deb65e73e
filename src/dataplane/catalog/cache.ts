import { EventEmitter } from 'node:events';
import type { CatalogSnapshot } from '../../model/catalog.ts';
import { CatalogError } from './errors.ts';
import { type CatalogBasis, readBasis } from './fingerprint.ts';
import { type Query, readCatalog } from './read.ts';

export type RefreshReason = 'connect' | 'ddl' | 'clock' | 'mismatch' | 'demand';

export interface CatalogChange {
  readonly previous: CatalogSnapshot | undefined;
  readonly current: CatalogSnapshot;
  readonly reason: RefreshReason;
}

export interface CatalogCacheOptions {
  readonly connection: string;
  /** Opens a connection of the gateway's own to the target. `close` is called exactly once, also after a failure. */
  readonly open: () => Promise<{ readonly query: Query; readonly close: () => Promise<void> | void }>;
  /** Seconds after which a snapshot is read anew: before the next session starts, and by the clock once `start` was called. */
  readonly maxAgeSeconds: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/**
 * The snapshot of one connection's catalog. Refreshes share one read; a snapshot whose version did not change stays the same
 * object, so that what is cached by it lives on. Emits `changed` for every new version and `failed` when the clock's own refresh fails.
 */
export class CatalogCache extends EventEmitter<{ changed: [CatalogChange]; failed: [unknown] }> {
  readonly #options: CatalogCacheOptions;
  readonly #clock: () => number;
  #snapshot: CatalogSnapshot | undefined;
  #basis: CatalogBasis | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Something is known to have changed since `#readAt`: the snapshot may not be used for anything new. */
  #outdated = true;
  #running: Promise<CatalogSnapshot> | undefined;
  #next: Promise<CatalogSnapshot> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: CatalogCacheOptions) {
    super();
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /** The last snapshot, however old; `undefined` before the first read. */
  get snapshot(): CatalogSnapshot | undefined {
    return this.#snapshot;
  }

  /** Of the target's catalog just before the last successful read; see CatalogWatch. */
  get basis(): CatalogBasis | undefined {
    return this.#basis;
  }

  /** Milliseconds since the epoch at which the last successful read began. */
  get readAt(): number {
    return this.#readAt;
  }

  /**
   * A snapshot fit for use: the cached one when it is young and nothing is known to have changed, else a fresh one.
   * @throws CatalogError ERR_DATAPLANE_CATALOG_UNAVAILABLE when it has to be read and cannot be: without it nothing may be judged.
   */
  async current(): Promise<CatalogSnapshot> {
    const fresh = this.#clock() - this.#readAt < this.#options.maxAgeSeconds * 1000;
    if (this.#snapshot && fresh && !this.#outdated) return this.#snapshot;
    return this.#share('connect');
  }

  /** Says that the catalog may have changed; the next `current()` reads it anew. */
  invalidate(): void {
    this.#outdated = true;
  }

  /**
   * Reads anew. A read that is already under way may have begun before the change that made the caller ask, so he waits for the
   * one after it; all callers who wait for that share it.
   */
  refresh(reason: RefreshReason): Promise<CatalogSnapshot> {
    this.#outdated = true;
    return this.#share(reason);
  }

  /** Refreshes by the clock from now on. The timer does not keep the process alive. */
  start(): void {
    if (this.#timer || this.#closed) return;
    this.#timer = setInterval(() => {
      this.#share('clock').catch((error: unknown) => this.emit('failed', error));
    }, this.#options.maxAgeSeconds * 1000);
    this.#timer.unref();
  }

  /** Stops the clock and refuses further reads; waits for one under way. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.allSettled([this.#running, this.#next]);
  }

  #share(reason: RefreshReason): Promise<CatalogSnapshot> {
    if (this.#closed) {
      return Promise.reject(
        new CatalogError(
          'ERR_DATAPLANE_CATALOG_CLOSED',
          `the catalog of ${this.#options.connection} is no longer read`,
        ),
      );
    }
    if (!this.#running) return this.#begin(reason);
    if (reason === 'connect' && !this.#outdated) return this.#running;
    if (reason === 'clock') return this.#running;
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#share(reason);
      });
    return this.#next;
  }

  #begin(reason: RefreshReason): Promise<CatalogSnapshot> {
    const running = this.#read(reason).finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #read(reason: RefreshReason): Promise<CatalogSnapshot> {
    const { connection, open } = this.#options;
    const begunAt = this.#clock();
    // Cleared before reading: a change reported while the read runs must outlast it.
    this.#outdated = false;
    let read: CatalogSnapshot;
    let basis: CatalogBasis;
    try {
      const target = await open();
      try {
        // First: a change in between makes the next look find a difference, never the other way round.
        basis = await readBasis(target.query);
        read = await readCatalog(target.query, connection, this.#clock);
      } finally {
        await target.close();
      }
    } catch (cause) {
      this.#outdated = true;
      throw new CatalogError(
        'ERR_DATAPLANE_CATALOG_UNAVAILABLE',
        `the catalog of ${connection} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    this.#readAt = begunAt;
    this.#basis = basis;
    const previous = this.#snapshot;
    if (previous?.version === read.version && previous.connection === read.connection) return previous;
    this.#snapshot = read;
    this.emit('changed', { previous, current: read, reason });
    return read;
  }
}
