import { close, closeSync, constants, fdatasync, fdatasyncSync, ftruncate, write, writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type Batch,
  type LedgerCode,
  LedgerError,
  type LedgerStorage,
  type PublishedFile,
  type SplicedFile,
  type WriteAheadSegment,
  type WrittenRecord,
  writeOut,
} from '../ledger/index.ts';
import { ledgerLocked, lockLedgerFolder } from './ledger-files-lock.ts';
import { packBatches, unpackRecords } from './ledger-files-packing.ts';
import type { ThreadAnswer, ThreadTask } from './ledger-files-worker.ts';
import { type FolderWrite, FolderWriter, hasCode, openNew, UNFINISHED } from './ledger-files-writer.ts';

/** On Linux one call writes and syncs; elsewhere O_DSYNC is missing or does not reach the disk's own cache. */
const SYNCED = process.platform === 'linux' ? constants.O_DSYNC : 0;
/** Sources run as they are; what is published was compiled, and the name of a file in `new URL` is not rewritten by the compiler. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './ledger-files-worker.ts' : './ledger-files-worker.js',
  import.meta.url,
);

/** A ledger in a folder of the local disk. The folder is created when something is first written to it. */
export function createLedgerFiles(folder: string): LedgerStorage {
  return new LedgerFiles(folder);
}

class LedgerFiles implements LedgerStorage {
  readonly #folder: string;
  /** Until there is a write-ahead segment nobody waits for appends, and blocking calls are the simplest. */
  readonly #writer: FolderWriter;
  readonly #pace = new AppendPace();
  #thread: WriterThread | undefined;
  #unlock: (() => void) | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#writer = new FolderWriter(folder);
  }

  async lock(): Promise<void> {
    if (this.#unlock !== undefined) throw ledgerLocked(this.#folder);
    this.#writer.makeFolder(this.#folder);
    this.#unlock = lockLedgerFolder(this.#folder);
  }

  async unlock(): Promise<void> {
    await this.#thread?.stop();
    this.#thread = undefined;
    this.#unlock?.();
    this.#unlock = undefined;
  }

  async read(path: string): Promise<Buffer | undefined> {
    return await orAbsent(readFile(this.#at(path)));
  }

  async list(folder: string): Promise<string[]> {
    const names = (await orAbsent(readdir(this.#at(folder)))) ?? [];
    return names.filter((name) => !name.endsWith(UNFINISHED)).sort();
  }

  async createSecret(path: string, bytes: Uint8Array): Promise<void> {
    await this.#apply({ do: 'create-secret', path, bytes });
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#apply({ do: 'replace', path, bytes });
  }

  async publish(files: readonly PublishedFile[]): Promise<void> {
    await this.#apply({ do: 'publish', files });
  }

  async splice(files: readonly SplicedFile[]): Promise<void> {
    await this.#apply({ do: 'splice', files });
  }

  async remove(paths: readonly string[]): Promise<void> {
    await this.#apply({ do: 'remove', paths });
  }

  async writeOut(origin: string, batches: readonly Batch[]): Promise<readonly WrittenRecord[]> {
    if (this.#thread === undefined) return writeOut(origin, batches);
    const packed = await this.#thread.do({ do: 'write-out', origin, bytes: packBatches(batches) });
    return packed === undefined ? [] : unpackRecords(packed);
  }

  async createSegment(path: string): Promise<WriteAheadSegment> {
    const target = this.#at(path);
    await this.#apply({ do: 'make-folder', path: dirname(path) });
    const file = openNew(target, path, constants.O_WRONLY | SYNCED, 0o600);
    try {
      await reserve(file);
      await this.#apply({ do: 'sync-folder', path: dirname(path) });
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#thread ??= new WriterThread(this.#folder);
    return new SegmentFile(file, this.#pace);
  }

  async #apply(write: FolderWrite): Promise<void> {
    if (this.#thread === undefined) this.#writer.apply(write);
    else await this.#thread.do(write);
  }

  #at(path: string): string {
    return join(this.#folder, path);
  }
}

/** Has things done by a thread of their own, one after the other. */
class WriterThread {
  readonly #worker: Worker;
  readonly #waiting: {
    readonly resolve: (packed: Uint8Array | undefined) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #stopped: Error | undefined;

  constructor(folder: string) {
    this.#worker = new Worker(WORKER, { workerData: folder, name: 'ledger-files' });
    this.#worker.unref();
    this.#worker.on('message', (answer: ThreadAnswer) => this.#answered(answer));
    this.#worker.on('error', (error: Error) => this.#stop(error));
    this.#worker.on('exit', () => this.#stop(new Error('The thread that writes the ledger has ended.')));
  }

  do(task: ThreadTask): Promise<Uint8Array | undefined> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(task, transferable(task));
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered({ packed, error }: ThreadAnswer): void {
    const waiter = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (error === undefined) waiter?.resolve(packed);
    else if (error.isLedger) waiter?.reject(new LedgerError(error.code as LedgerCode, error.message));
    else waiter?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }

  #stop(error: Error): void {
    this.#stopped ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stopped);
  }
}

/** Memory that holds nothing else is handed over instead of copied. */
function transferable(task: ThreadTask): ArrayBuffer[] {
  if (task.do !== 'publish' && task.do !== 'splice' && task.do !== 'write-out') return [];
  const pieces: readonly { readonly bytes: Uint8Array }[] = task.do === 'write-out' ? [task] : task.files;
  return pieces.flatMap(({ bytes: { buffer, length } }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === length && length > 0 ? [buffer] : [],
  );
}

/** Bytes set aside in a new segment: writing where a file has space already costs the disk a fraction of making it longer. */
const RESERVED = Buffer.alloc(512 * 1024);

/** Resolves when the zeros are durable, or given back because there is no room for them: then the first append tells. */
function reserve(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(file, RESERVED, 0, RESERVED.length, 0, (error, written) => {
      if (error?.code === 'ENOSPC' || (error === null && written < RESERVED.length)) {
        ftruncate(file, 0, (failed) => (failed === null ? resolve() : reject(failed)));
      } else if (error !== null) reject(error);
      else if (SYNCED !== 0) resolve();
      else fdatasync(file, (failed) => (failed === null ? resolve() : reject(failed)));
    });
  });
}

/** A disk that takes longer than this, in milliseconds, is waited for by another thread. */
const QUICK = 0.5;
/** How much of the average the last append makes, while the disk is quick and while it is not. */
const WEIGHT = { quick: 1 / 16, slow: 1 / 4 };
/** Appends between two tries whether a slow disk has become quick, at first and at most. */
const PAUSE = { first: 16, most: 4_096 };

/**
 * Whether an append blocks. Having another thread of the pool wait for a quick disk costs more than the wait: two thread changes, which on
 * a busy machine last longer than the write, and as much CPU as all the rest of a record. A slow disk must not stop everybody: it is tried
 * now and then, and one that stalls does so once.
 */
class AppendPace {
  /** Milliseconds of an append that blocks. */
  #average = QUICK;
  #pause = PAUSE.first;
  #left = PAUSE.first;

  get blocks(): boolean {
    return this.#average < QUICK || this.#left <= 0;
  }

  blocked(milliseconds: number): void {
    this.#average += (milliseconds - this.#average) * (this.#average < QUICK ? WEIGHT.quick : WEIGHT.slow);
    this.#pause = this.#average < QUICK ? PAUSE.first : Math.min(2 * this.#pause, PAUSE.most);
    this.#left = this.#pause;
  }

  passedOn(): void {
    this.#left -= 1;
  }
}

class SegmentFile implements WriteAheadSegment {
  readonly #file: number;
  readonly #pace: AppendPace;
  #end = 0;

  constructor(file: number, pace: AppendPace) {
    this.#file = file;
    this.#pace = pace;
  }

  async append(bytes: Buffer): Promise<void> {
    if (this.#pace.blocks) {
      const from = performance.now();
      this.#appendHere(bytes);
      this.#pace.blocked(performance.now() - from);
    } else {
      await this.#appendElsewhere(bytes);
      this.#pace.passedOn();
    }
    this.#end += bytes.length;
  }

  #appendHere(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#file, bytes, done, bytes.length - done, this.#end + done);
    if (SYNCED === 0) fdatasyncSync(this.#file);
  }

  #appendElsewhere(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = (done: number): void => {
        write(this.#file, bytes, done, bytes.length - done, this.#end + done, (error, written) => {
          if (error !== null) return reject(error);
          if (done + written < bytes.length) return next(done + written);
          if (SYNCED !== 0) resolve();
          else fdatasync(this.#file, (failed) => (failed === null ? resolve() : reject(failed)));
        });
      };
      next(0);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => close(this.#file, (error) => (error ? reject(error) : resolve())));
  }
}

async function orAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
