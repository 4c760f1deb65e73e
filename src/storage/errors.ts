export type StorageErrorCode =
  /** The state folder or the database in it could not be opened. */
  | 'ERR_STORAGE_OPEN'
  /** The database was written by a newer gatehouse, or is no gatehouse database. */
  | 'ERR_STORAGE_VERSION'
  /** Another process kept the database locked for too long. */
  | 'ERR_STORAGE_BUSY'
  /** What was read is not what was written. */
  | 'ERR_STORAGE_CORRUPT'
  | 'ERR_STORAGE_CLOSED';

/** What went wrong with the state on disk, why, and what to do next. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
