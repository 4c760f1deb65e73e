import type { Batch } from './write-ahead.ts';
import type { WrittenRecord } from './write-out.ts';

/**
 * What the ledger needs from a disk. Paths are relative, with `/`. "Durable" means that power may fail right after.
 * After any rejection but those named here the stored state is unknown: the ledger stops, and only opening it again,
 * which looks at what is really there, helps.
 */
export interface LedgerStorage {
  /**
   * Makes the caller the only writer until unlock, or until its process ends however it ends.
   * MUST reject with ERR_LEDGER_LOCKED while another holds it, in this process or another, and MUST NOT be stopped by
   * what a dead process left behind.
   */
  lock(): Promise<void>;
  unlock(): Promise<void>;
  /** Undefined when there is no such file. MUST reject when there is one that cannot be read. */
  read(path: string): Promise<Buffer | undefined>;
  /** Names in a folder, sorted; empty when there is none. Unfinished files of `replace` and `publish` MUST NOT be among them. */
  list(folder: string): Promise<string[]>;
  /** Creates a file that only this user may read. Durable. MUST reject with ERR_LEDGER_EXISTS when it is there. */
  createSecret(path: string, bytes: Uint8Array): Promise<void>;
  /** Durable, and at every moment either the old or the new content is there, whole. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Writes files that never change again. The bytes belong to the storage from then on, here and in `splice`.
   * All are durable and whole when it resolves; until then any of them may be there,
   * but each whole. A file with the same bytes is left alone; MUST reject with ERR_LEDGER_IMMUTABLE when it has others.
   */
  publish(files: readonly PublishedFile[]): Promise<void>;
  /** Cuts each file (created when absent) to its offset and writes its bytes behind. Durable. MAY leave torn ends when it fails. */
  splice(files: readonly SplicedFile[]): Promise<void>;
  /** Removes files, or folders with what is in them; absent ones are fine. Need not be durable. */
  remove(paths: readonly string[]): Promise<void>;
  /**
   * Makes the entries of whole segments' batches, in order: what `writeOut` gives. No write, but much work: a storage that has a
   * thread of its own does it there.
   */
  writeOut(origin: string, batches: readonly Batch[]): Promise<readonly WrittenRecord[]>;
  /** Creates an empty write-ahead segment; its name is durable. MUST reject with ERR_LEDGER_EXISTS when it is there. */
  createSegment(path: string): Promise<WriteAheadSegment>;
}

export interface PublishedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface SplicedFile extends PublishedFile {
  /** In bytes; at most the file's length. */
  readonly offset: number;
}

/** The file that appends wait for. */
export interface WriteAheadSegment {
  /** Appends, and resolves only when the bytes are durable. The caller never has two calls under way. MAY leave a torn end when it fails. */
  append(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}
