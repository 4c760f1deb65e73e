import type { DurableWaiter } from '../model/record.ts';
import { LedgerError } from './errors.ts';
import type { Form, ShortRecord } from './form.ts';
import type { Place, WrittenText } from './record-writer.ts';
import type { WriteAheadSegment } from './storage.ts';
import { type Batch, BatchBuilder } from './write-ahead.ts';

/** Bytes that may wait for the disk before further records are refused. */
const MOST_WAITING = 256 << 20;

/** Turns of the event loop for which a batch waits for more. */
const MOST_TURNS = 4;

interface Waiting {
  readonly index: number;
  readonly waiter: DurableWaiter;
}

/**
 * Lets all appends that come while a write is under way share the next write: one write, durable, then all its waiters.
 * Owns the current segment.
 */
export class GroupCommit {
  #segment: WriteAheadSegment;
  #builder = new BatchBuilder();
  /** Forms that the segment holds. */
  #stated = new Set<Form>();
  /** By index. */
  #waiting: Waiting[] = [];
  #writing = false;
  #scheduled = false;
  #failure: LedgerError | undefined;
  #next: number;
  #durable: number;
  /** Durable batches that no checkpoint speaks for yet. */
  #batches: Batch[] = [];
  /** A segment that takes over as soon as no write is under way. */
  #takeover:
    | {
        readonly segment: WriteAheadSegment;
        readonly done: (batches: Batch[]) => void;
        readonly failed: (error: LedgerError) => void;
      }
    | undefined;
  #idle: (() => void)[] = [];
  /** Who waits for a number of durable entries. */
  #reached: { readonly count: number; readonly resolve: () => void; readonly reject: (error: LedgerError) => void }[] =
    [];
  readonly #onDurable: (count: number) => void;
  readonly #onFailure: (error: LedgerError) => void;

  constructor(
    segment: WriteAheadSegment,
    size: number,
    onDurable: (count: number) => void,
    onFailure: (error: LedgerError) => void,
  ) {
    this.#segment = segment;
    this.#next = size;
    this.#durable = size;
    this.#onDurable = onDurable;
    this.#onFailure = onFailure;
  }

  /** Index of the next entry. */
  get next(): number {
    return this.#next;
  }

  /** How many entries are durable. */
  get durable(): number {
    return this.#durable;
  }

  get failure(): LedgerError | undefined {
    return this.#failure;
  }

  /** Durable entries that no checkpoint speaks for. */
  get unpublished(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.count, 0);
  }

  /** Takes a record for the place `next`. @throws LedgerError `ERR_LEDGER_TOO_LARGE`, `ERR_LEDGER_OVERLOADED`; the number is not used then. */
  append(record: WrittenText): void {
    this.#admit();
    this.#builder.add(this.#next, record);
    this.#took();
  }

  /** The same for a short one. */
  appendShort(record: ShortRecord, place: Omit<Place, 'seq'>): void {
    this.#admit();
    this.#builder.addShort(this.#next, record, place);
    this.#took();
  }

  #admit(): void {
    if (this.#builder.length > MOST_WAITING) {
      throw new LedgerError(
        'ERR_LEDGER_OVERLOADED',
        'More records wait for the disk than memory may hold. Is the disk too slow?',
      );
    }
  }

  #took(): void {
    this.#next += 1;
    this.#schedule();
  }

  /** The waiter is never called before this returns. */
  whenDurable(index: number, waiter: DurableWaiter): void {
    const failure = this.#failure;
    if (failure !== undefined) {
      queueMicrotask(() => waiter.lost(failure));
      return;
    }
    if (index < this.#durable) {
      queueMicrotask(() => waiter.durable());
      return;
    }
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1] as Waiting).index > index) at -= 1;
    if (at === this.#waiting.length) this.#waiting.push({ index, waiter });
    else this.#waiting.splice(at, 0, { index, waiter });
  }

  /** Tells everybody who waits that it is lost, and everything to come. */
  fail(error: LedgerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { waiter } of waiting) waiter.lost(error);
    this.#takeover?.failed(error);
    this.#takeover = undefined;
    for (const { reject } of this.#reached) reject(error);
    this.#reached = [];
    this.#onFailure(error);
    this.#settle();
  }

  /** Lets `segment` take over between two writes. @returns the batches that lie in the segments before it. */
  rotate(segment: WriteAheadSegment): Promise<Batch[]> {
    return new Promise((done, failed) => {
      if (this.#failure !== undefined) return failed(this.#failure);
      this.#takeover = { segment, done, failed };
      if (!this.#writing) this.#takeOver();
    });
  }

  /** Resolves when nothing waits and nothing is being written. */
  async drained(): Promise<void> {
    while (this.#writing || this.#scheduled) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Resolves when `count` entries are durable. */
  async reached(count: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#durable >= count) return;
    await new Promise<void>((resolve, reject) => this.#reached.push({ count, resolve, reject }));
  }

  #reach(): void {
    const waiting = this.#reached;
    this.#reached = waiting.filter(({ count }) => count > this.#durable);
    for (const { count, resolve } of waiting) if (count <= this.#durable) resolve();
  }

  async closeSegment(): Promise<void> {
    await this.#segment.close();
  }

  /** When a turn of the event loop has brought nothing more, so that all that come together are in one batch. */
  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    this.#gather(this.#builder.count, MOST_TURNS);
  }

  #gather(count: number, turns: number): void {
    setImmediate(() => {
      if (this.#builder.count > count && turns > 1) return this.#gather(this.#builder.count, turns - 1);
      this.#scheduled = false;
      this.#write();
    });
  }

  #write(): void {
    if (this.#failure !== undefined || this.#writing || this.#builder.count === 0) {
      this.#settle();
      return;
    }
    const batch = this.#builder.take(this.#stated);
    this.#writing = true;
    this.#segment.append(batch.bytes).then(
      () => {
        this.#writing = false;
        this.#written(batch);
      },
      (error: unknown) => {
        this.#writing = false;
        // A checkpoint may have failed before.
        this.fail(this.#failure ?? unavailable('A record could not be written', error));
        this.#settle();
      },
    );
  }

  #written(batch: Batch): void {
    if (this.#failure !== undefined) {
      // The checkpoint failed meanwhile. The entries are stored, but nobody may rely on a ledger that has stopped.
      this.#settle();
      return;
    }
    this.#durable = batch.first + batch.count;
    this.#batches.push(batch);
    if (this.#takeover !== undefined) this.#takeOver();
    // The disk goes on with what has come meanwhile, before anybody uses what it did.
    if (this.#builder.count > 0 && !this.#scheduled) this.#write();
    this.#tell();
    if (this.#reached.length > 0) this.#reach();
    this.#onDurable(this.#durable);
    this.#settle();
  }

  #tell(): void {
    const waiting = this.#waiting;
    let told = 0;
    while (told < waiting.length && (waiting[told] as Waiting).index < this.#durable) told += 1;
    this.#waiting = told === waiting.length ? [] : waiting.slice(told);
    for (let at = 0; at < told; at += 1) (waiting[at] as Waiting).waiter.durable();
  }

  #takeOver(): void {
    const takeover = this.#takeover;
    if (takeover === undefined) return;
    this.#takeover = undefined;
    const sealed = this.#segment;
    const batches = this.#batches;
    this.#segment = takeover.segment;
    this.#stated = new Set();
    this.#batches = [];
    sealed.close().then(
      () => takeover.done(batches),
      (error: unknown) => takeover.failed(unavailable('A write-ahead segment could not be closed', error)),
    );
  }

  #settle(): void {
    if (this.#writing || this.#scheduled) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

export function unavailable(what: string, cause: unknown): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError(
    'ERR_LEDGER_UNAVAILABLE',
    `${what}: ${why}. Nothing more is recorded until the ledger is opened again; look at the disk, then restart the gateway.`,
    { cause },
  );
}
