export type StorageErrorCode =
  /** The state folder or the database in it could not be opened. */
  | 'ERR_STORAGE_OPEN'
  /** The database was written by a newer gatehouse, or is no gatehouse database. */
  | 'ERR_STORAGE_VERSION'
  /** Another process kept the database locked for too long. */
  | 'ERR_STORAGE_BUSY'
  /** What was read is not what was written. */
  | 'ERR_STORAGE_CORRUPT'
  | 'ERR_STORAGE_CLOSED'
  /** The disk is full; what was asked for was not kept. */
  | 'ERR_STORAGE_FULL'
  /** The disk failed; whether what was asked for was kept is unknown. */
  | 'ERR_STORAGE_IO';

/** What went wrong with the state on disk, why, and what to do next. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Primary result codes of SQLite that an operator can do something about: https://www.sqlite.org/rescode.html */
const TROUBLES: ReadonlyMap<number, readonly [StorageErrorCode, string]> = new Map([
  [5, ['ERR_STORAGE_BUSY', 'Another process keeps the state database locked. End it, then try again.']],
  [6, ['ERR_STORAGE_BUSY', 'A table of the state database stays locked. Try again.']],
  [
    8,
    ['ERR_STORAGE_IO', 'The state database cannot be written. Check who owns the state folder and how it is mounted.'],
  ],
  [10, ['ERR_STORAGE_IO', 'The disk under the state database failed. Check the disk, then restart gatehouse.']],
  [11, ['ERR_STORAGE_CORRUPT', 'The state database is damaged. Restore a backup of the state folder.']],
  [13, ['ERR_STORAGE_FULL', 'The disk under the state database is full. Make room; nothing was changed.']],
  [26, ['ERR_STORAGE_CORRUPT', 'The state database is no database any more. Restore a backup of the state folder.']],
]);

/** What SQLite said, in words for an operator where he can do something about it; otherwise the error as it is. */
export function storageError(error: unknown): unknown {
  const errcode = (error as { errcode?: unknown } | null)?.errcode;
  // The low byte is the primary code, the rest says more about it.
  const trouble = typeof errcode === 'number' ? TROUBLES.get(errcode & 0xff) : undefined;
  return trouble === undefined ? error : new StorageError(trouble[0], trouble[1], { cause: error });
}
