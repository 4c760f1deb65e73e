import type { JsonValue } from '../model/json.ts';
import type { AuditRecord, Disclosure, DurableWaiter, Recorded, RecordQueue } from '../model/record.ts';
import { conceal } from './conceal.ts';
import { LedgerError } from './errors.ts';
import { Forms } from './form.ts';
import { GroupCommit, unavailable } from './group-commit.ts';
import { segmentPath } from './paths.ts';
import type { Publisher } from './publisher.ts';
import { RecordWriter } from './record-writer.ts';
import type { LedgerStorage, WriteAheadSegment } from './storage.ts';
import { type Checkpoint, DEFAULT_DRIFT_MS } from './verify/index.ts';

/** When checkpoints are made without being asked for. */
export interface CheckpointPace {
  /** An entry waits at most so long, in milliseconds. 1,000 by default. */
  readonly milliseconds: number;
  /** So many entries make one due at once, 256 by default … */
  readonly entries: number;
  /** … but not more often than this, in milliseconds: signing and syncing tiles per 256 entries would starve the appends. 250 by default. */
  readonly rest: number;
}

export interface LedgerStatus {
  /** Entries taken in, durable or not. */
  readonly size: number;
  /** Entries on stable storage. */
  readonly durable: number;
  readonly checkpoint: Checkpoint;
  /** Milliseconds since the epoch, of the last checkpoint; of the opening when there was none since. */
  readonly checkpointAt: number;
  /** Why nothing is accepted any more. */
  readonly failed?: LedgerError;
}

/** What openLedger gives to the ledger it makes. */
export interface LedgerParts {
  readonly storage: LedgerStorage;
  readonly publisher: Publisher;
  readonly origin: string;
  readonly vkey: string;
  readonly clock: () => number;
  readonly pace: CheckpointPace;
  readonly segment: WriteAheadSegment;
  readonly segmentNumber: number;
  /** Time of the youngest entry. */
  readonly lastTime: number;
}

/** The only writer of one log. Made by openLedger. */
export class Ledger implements RecordQueue {
  readonly #parts: LedgerParts;
  readonly #writer: RecordWriter;
  readonly #forms = new Forms((record) => this.#writer.write(record, { seq: 0, time: record.time, lag: 0 }));
  readonly #commit: GroupCommit;
  readonly #listeners = new Set<(durable: number) => void>();
  #lastTime: number;
  #segmentNumber: number;
  /** Oldest segment that may still be there. */
  #oldestSegment: number;
  #checkpointAt: number;
  #checkpointing: Promise<Checkpoint> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #closed: Promise<void> | undefined;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#writer = new RecordWriter(parts.origin);
    this.#commit = new GroupCommit(
      parts.segment,
      parts.publisher.published.size,
      (durable) => this.#onDurable(durable),
      () => this.#stopTimer(),
    );
    this.#lastTime = parts.lastTime;
    this.#segmentNumber = parts.segmentNumber;
    this.#oldestSegment = parts.segmentNumber;
    this.#checkpointAt = parts.clock();
  }

  get origin(): string {
    return this.#parts.origin;
  }

  /** The log's verifier key. Auditors must get it from elsewhere than from this machine. */
  get vkey(): string {
    return this.#parts.vkey;
  }

  /** Entries taken in, durable or not. */
  get size(): number {
    return this.#commit.next;
  }

  get status(): LedgerStatus {
    const { failure } = this.#commit;
    return {
      size: this.#commit.next,
      durable: this.#commit.durable,
      checkpoint: this.#parts.publisher.published,
      checkpointAt: this.#checkpointAt,
      ...(failure === undefined ? {} : { failed: failure }),
    };
  }

  /**
   * Takes the record into the log, in call order, and resolves when entry and disclosures are on stable storage.
   * Rejects with ERR_LEDGER_UNAVAILABLE once anything could not be written, then and for every later call;
   * with ERR_LEDGER_RECORD or ERR_LEDGER_TOO_LARGE when this record cannot be an entry, which harms no other.
   */
  append(record: AuditRecord): Promise<Recorded> {
    try {
      const index = this.enqueue(record);
      return new Promise((resolve, reject) =>
        this.#commit.whenDurable(index, { durable: () => resolve({ index }), lost: reject }),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  enqueue(record: AuditRecord): number {
    if (this.#commit.failure !== undefined) throw this.#commit.failure;
    if (this.#closed !== undefined)
      throw new LedgerError('ERR_LEDGER_CLOSED', 'The ledger is closed: the gateway is shutting down.');
    const seq = this.#commit.next;
    // A clock that was set back must not make a log that no verifier accepts; how far it was behind is said.
    const time = record.time < this.#lastTime - DEFAULT_DRIFT_MS ? this.#lastTime : record.time;
    const place = { seq, time, lag: time - record.time };
    const short = this.#forms.shorten(record);
    if (short !== undefined) this.#commit.appendShort(short, place);
    else this.#commit.append(this.#writer.write(record, place));
    if (time > this.#lastTime) this.#lastTime = time;
    return seq;
  }

  whenDurable(index: number, waiter: DurableWaiter): void {
    this.#commit.whenDurable(index, waiter);
  }

  /** Salt and digest for one hidden value. */
  conceal(name: string, value: JsonValue): Disclosure {
    return conceal(name, value);
  }

  /** Calls the listener with the number of durable entries whenever it has grown. @returns how to stop that. */
  onDurable(listener: (durable: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Publishes everything that was appended before the call, and resolves with a checkpoint that speaks for it. */
  async checkpointNow(): Promise<Checkpoint> {
    if (this.#commit.failure !== undefined) throw this.#commit.failure;
    const wanted = this.#commit.next;
    while (this.#parts.publisher.published.size < wanted) {
      await this.#commit.reached(wanted);
      await (this.#checkpointing ?? this.#checkpoint());
    }
    return this.#parts.publisher.published;
  }

  /** Writes what waits, publishes it, and lets go of the storage. Later appends reject. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // Entries taken in before stay promised.
    await Promise.resolve();
    this.#stopTimer();
    try {
      await this.#commit.drained();
      await this.#checkpointing?.catch(() => undefined);
      if (this.#commit.failure === undefined) await this.checkpointNow();
    } finally {
      this.#stopTimer();
      await this.#commit.closeSegment().catch(() => undefined);
      await this.#parts.storage.unlock();
    }
  }

  #onDurable(durable: number): void {
    const waiting = durable - this.#parts.publisher.published.size;
    const now = performance.now();
    const { milliseconds, entries, rest } = this.#parts.pace;
    if (this.#checkpointing === undefined) this.#setTimer(now, waiting >= entries ? rest : milliseconds);
    // Later, and each for itself: what a listener does wrong must not stop the next write.
    for (const listener of this.#listeners) process.nextTick(listener, durable);
  }

  /** Makes a checkpoint due in at most `delay` milliseconds. */
  #setTimer(now: number, delay: number): void {
    if (now + delay >= this.#timerAt) return;
    this.#stopTimer();
    this.#timerAt = now + delay;
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      // A failure is kept in the commit, where every append meets it.
      if (this.#checkpointing === undefined && this.#commit.failure === undefined)
        this.#checkpoint().catch(() => undefined);
    }, delay);
    this.#timer.unref();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #checkpoint(): Promise<Checkpoint> {
    this.#stopTimer();
    const made = this.#makeCheckpoint().finally(() => {
      this.#checkpointing = undefined;
      if (this.#commit.failure === undefined && this.#commit.unpublished > 0 && this.#closed === undefined) {
        this.#onDurable(this.#commit.durable);
      }
    });
    this.#checkpointing = made;
    return made;
  }

  async #makeCheckpoint(): Promise<Checkpoint> {
    const { storage, publisher, origin, clock } = this.#parts;
    try {
      const number = this.#segmentNumber + 1;
      const segment = await storage.createSegment(segmentPath(number));
      this.#segmentNumber = number;
      const batches = await this.#commit.rotate(segment).catch(async (error: unknown) => {
        await segment.close();
        throw error;
      });
      const checkpoint = await publisher.commit(await storage.writeOut(origin, batches));
      this.#checkpointAt = clock();
      // Commit point 3: what the dropped segments held is published.
      const dropped = Array.from({ length: number - this.#oldestSegment }, (_, at) =>
        segmentPath(this.#oldestSegment + at),
      );
      await storage.remove(dropped);
      this.#oldestSegment = number;
      return checkpoint;
    } catch (error) {
      const failure = unavailable('A checkpoint could not be written', error);
      this.#commit.fail(failure);
      throw this.#commit.failure ?? failure;
    }
  }
}
