import { constants, write } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LedgerError, type LedgerStorage, type PublishedFile, type WriteAheadSegment } from '../ledger/index.ts';
import { ledgerLocked, lockLedgerFolder } from './ledger-files-lock.ts';

/** Suffix of a file that is not finished: never listed, overwritten by the next try. */
const UNFINISHED = '.new';
/** Files that are written at once: libuv has four threads, and appends need one. */
const AT_ONCE = 2;
/** On Linux one call writes and syncs; elsewhere O_DSYNC is missing or does not reach the disk's own cache. */
const SYNCED = process.platform === 'linux' ? constants.O_DSYNC : 0;

/** A ledger in a folder of the local disk. The folder is created when something is first written to it. */
export function createLedgerFiles(folder: string): LedgerStorage {
  return new LedgerFiles(folder);
}

class LedgerFiles implements LedgerStorage {
  readonly #folder: string;
  #unlock: (() => void) | undefined;
  /** Folders that are there, durably. */
  readonly #folders = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async lock(): Promise<void> {
    if (this.#unlock !== undefined) throw ledgerLocked(this.#folder);
    await this.#makeFolder(this.#folder);
    this.#unlock = lockLedgerFolder(this.#folder);
  }

  async unlock(): Promise<void> {
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
    const target = this.#at(path);
    await this.#makeFolder(dirname(target));
    const file = await open(target, 'wx', 0o600).catch(translateExisting(path));
    await writeAndClose(file, bytes);
    await syncFolder(dirname(target));
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    const target = this.#at(path);
    await this.#makeFolder(dirname(target));
    await writeUnfinished(target, bytes);
    await rename(target + UNFINISHED, target);
    await syncFolder(dirname(target));
  }

  async publish(files: readonly PublishedFile[]): Promise<void> {
    const touched = new Set<string>();
    const queue = files.values();
    const work = async (): Promise<void> => {
      for (const file of queue) await this.#publishOne(file, touched);
    };
    // Every worker must have stopped before the caller hears of a failure and opens the folder anew.
    const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    for (const folder of touched) await syncFolder(folder);
  }

  async #publishOne({ path, bytes }: PublishedFile, touched: Set<string>): Promise<void> {
    const target = this.#at(path);
    const present = await this.read(path);
    if (present?.equals(bytes)) {
      // It may be a leftover of a crash: its name need not be durable yet.
      touched.add(dirname(target));
      return;
    }
    if (present !== undefined) {
      throw new LedgerError(
        'ERR_LEDGER_IMMUTABLE',
        `${path} is published already with other content. Keep the ledger's folder as evidence.`,
      );
    }
    await this.#makeFolder(dirname(target));
    await writeUnfinished(target, bytes);
    await rename(target + UNFINISHED, target);
    touched.add(dirname(target));
  }

  async splice(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const target = this.#at(path);
    await this.#makeFolder(dirname(target));
    const file = await open(target, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await file.truncate(offset);
      await writeAll(file, bytes, offset);
      await file.sync();
    } finally {
      await file.close();
    }
    if (offset === 0) await syncFolder(dirname(target));
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const target = this.#at(path);
      await rm(target, { recursive: true, force: true });
      for (const folder of this.#folders)
        if (folder === target || folder.startsWith(`${target}/`)) this.#folders.delete(folder);
    }
  }

  async createSegment(path: string): Promise<WriteAheadSegment> {
    const target = this.#at(path);
    await this.#makeFolder(dirname(target));
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | SYNCED;
    const file = await open(target, flags, 0o600).catch(translateExisting(path));
    await syncFolder(dirname(target));
    return new SegmentFile(file);
  }

  #at(path: string): string {
    return join(this.#folder, path);
  }

  /** mkdir -p, durably: each new name is synced in its parent. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    const first = await mkdir(folder, { recursive: true, mode: 0o750 });
    if (first !== undefined) {
      for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
    }
    this.#folders.add(folder);
  }
}

class SegmentFile implements WriteAheadSegment {
  readonly #file: FileHandle;
  #end = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  append(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const at = this.#end;
      const next = (done: number): void => {
        // The callback form of write costs half of what FileHandle.write does, and this is the path that every statement waits for.
        write(this.#file.fd, bytes, done, bytes.length - done, at + done, (error, written) => {
          if (error !== null) return reject(error);
          if (done + written < bytes.length) return next(done + written);
          this.#end = at + bytes.length;
          if (SYNCED !== 0) resolve();
          else this.#file.datasync().then(resolve, reject);
        });
      };
      next(0);
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function writeUnfinished(target: string, bytes: Uint8Array): Promise<void> {
  await writeAndClose(await open(target + UNFINISHED, 'w', 0o640), bytes);
}

async function writeAndClose(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    await writeAll(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
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

function translateExisting(path: string): (error: unknown) => never {
  return (error) => {
    if (!hasCode(error, 'EEXIST')) throw error;
    throw new LedgerError('ERR_LEDGER_EXISTS', `${path} is there already. Open the ledger, or choose another folder.`, {
      cause: error,
    });
  };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
