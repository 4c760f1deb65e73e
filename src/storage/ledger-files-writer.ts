import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { LedgerError, type PublishedFile, type SplicedFile } from '../ledger/index.ts';

/** Suffix of a file that is not finished: never listed, overwritten by the next try. */
export const UNFINISHED = '.new';
/** Files that are open at once. */
const OPEN_AT_ONCE = 64;

/** What is done to a ledger's folder besides the write-ahead log. Plain data: it may be done by another thread. */
export type FolderWrite =
  | { readonly do: 'create-secret'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly do: 'replace'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly do: 'publish'; readonly files: readonly PublishedFile[] }
  | { readonly do: 'splice'; readonly files: readonly SplicedFile[] }
  | { readonly do: 'remove'; readonly paths: readonly string[] }
  | { readonly do: 'make-folder' | 'sync-folder'; readonly path: string };

/**
 * Writes durably, with calls that block: files first, then one sync per file (which finds most of the work done by the first
 * one), then names, then one sync per folder.
 */
export class FolderWriter {
  readonly #folder: string;
  /** Folders that are there, durably. */
  readonly #folders = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  apply(write: FolderWrite): void {
    switch (write.do) {
      case 'create-secret':
        this.#createSecret(write.path, write.bytes);
        break;
      case 'replace':
        this.#rename([{ path: write.path, bytes: write.bytes }], new Set());
        break;
      case 'publish':
        this.#publish(write.files);
        break;
      case 'splice':
        this.#splice(write.files);
        break;
      case 'remove':
        this.#remove(write.paths);
        break;
      case 'make-folder':
        this.makeFolder(join(this.#folder, write.path));
        break;
      case 'sync-folder':
        syncFolder(join(this.#folder, write.path));
        break;
    }
  }

  /** mkdir -p, durably: each new name is synced in its parent. */
  makeFolder(folder: string): void {
    if (this.#folders.has(folder)) return;
    const first = mkdirSync(folder, { recursive: true, mode: 0o750 });
    if (first !== undefined) {
      for (let made = folder; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
    }
    this.#folders.add(folder);
  }

  #createSecret(path: string, bytes: Uint8Array): void {
    const target = join(this.#folder, path);
    this.makeFolder(dirname(target));
    const file = openNew(target, path, constants.O_WRONLY, 0o600);
    try {
      writeAll(file, bytes, 0);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    syncFolder(dirname(target));
  }

  #publish(files: readonly PublishedFile[]): void {
    const fresh: PublishedFile[] = [];
    const touched = new Set<string>();
    for (const file of files) {
      const target = join(this.#folder, file.path);
      const present = readOrAbsent(target);
      if (present === undefined) fresh.push(file);
      else if (!present.equals(file.bytes)) {
        throw new LedgerError(
          'ERR_LEDGER_IMMUTABLE',
          `${file.path} is published already with other content. Keep the ledger's folder as evidence.`,
        );
      }
      // Also of a leftover of a crash, whose name need not be durable yet.
      touched.add(dirname(target));
    }
    this.#rename(fresh, touched);
  }

  /** Writes each file beside its place and moves it there, whole and durable. */
  #rename(files: readonly PublishedFile[], touched: Set<string>): void {
    for (let from = 0; from < files.length; from += OPEN_AT_ONCE) {
      const some = files
        .slice(from, from + OPEN_AT_ONCE)
        .map(({ path, bytes }) => ({ target: join(this.#folder, path), bytes }));
      for (const { target } of some) this.makeFolder(dirname(target));
      writeTogether(some, ({ target, bytes }) => {
        const file = openSync(target + UNFINISHED, 'w', 0o640);
        return { file, write: () => writeAll(file, bytes, 0) };
      });
      for (const { target } of some) {
        renameSync(target + UNFINISHED, target);
        touched.add(dirname(target));
      }
    }
    for (const folder of touched) syncFolder(folder);
  }

  #splice(files: readonly SplicedFile[]): void {
    const touched = new Set<string>();
    for (let from = 0; from < files.length; from += OPEN_AT_ONCE) {
      writeTogether(files.slice(from, from + OPEN_AT_ONCE), ({ path, offset, bytes }) => {
        const target = join(this.#folder, path);
        this.makeFolder(dirname(target));
        if (offset === 0) touched.add(dirname(target));
        const file = openSync(target, constants.O_RDWR | constants.O_CREAT, 0o600);
        return {
          file,
          write: () => {
            ftruncateSync(file, offset);
            writeAll(file, bytes, offset);
          },
        };
      });
    }
    for (const folder of touched) syncFolder(folder);
  }

  #remove(paths: readonly string[]): void {
    for (const path of paths) {
      const target = join(this.#folder, path);
      rmSync(target, { recursive: true, force: true });
      for (const folder of this.#folders) {
        if (folder === target || folder.startsWith(`${target}/`)) this.#folders.delete(folder);
      }
    }
  }
}

/** Opens a file that must not be there yet. @throws LedgerError `ERR_LEDGER_EXISTS` */
export function openNew(target: string, path: string, flags: number, mode: number): number {
  try {
    return openSync(target, flags | constants.O_CREAT | constants.O_EXCL, mode);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    throw new LedgerError('ERR_LEDGER_EXISTS', `${path} is there already. Open the ledger, or choose another folder.`, {
      cause: error,
    });
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function writeTogether<T>(
  items: readonly T[],
  start: (item: T) => { readonly file: number; readonly write: () => void },
): void {
  const open: number[] = [];
  try {
    for (const item of items) {
      const { file, write } = start(item);
      open.push(file);
      write();
    }
    for (const file of open) fsyncSync(file);
  } finally {
    for (const file of open) closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

function readOrAbsent(target: string): Buffer | undefined {
  // Nearly always absent: no exception is made for that.
  return statSync(target, { throwIfNoEntry: false }) && readFileSync(target);
}
