export type LedgerCode =
  /** A record could not be written: nothing more is accepted until the ledger is opened anew. */
  | 'ERR_LEDGER_UNAVAILABLE'
  | 'ERR_LEDGER_CLOSED'
  /** More waits to be written than the ledger may hold in memory; this one record was refused. */
  | 'ERR_LEDGER_OVERLOADED'
  /** The caller's record cannot be an entry; the ledger goes on. */
  | 'ERR_LEDGER_RECORD'
  | 'ERR_LEDGER_TOO_LARGE'
  | 'ERR_LEDGER_EXISTS'
  | 'ERR_LEDGER_NOT_FOUND'
  | 'ERR_LEDGER_LOCKED'
  | 'ERR_LEDGER_KEY'
  /** Storage said no while the ledger was being created or opened. */
  | 'ERR_LEDGER_STORAGE'
  /** The published log does not verify; `cause` is the verifier's first finding. */
  | 'ERR_LEDGER_VERIFY'
  /** The write-ahead log is damaged before its end. */
  | 'ERR_LEDGER_WAL_CORRUPT'
  /** Entries between the checkpoint and the write-ahead log are missing. */
  | 'ERR_LEDGER_WAL_MISSING'
  /** The write-ahead log holds another entry than the published log. */
  | 'ERR_LEDGER_WAL_MISMATCH'
  /** More was published than the checkpoint and the write-ahead log know: something was set back to an older state. */
  | 'ERR_LEDGER_PUBLISHED_AHEAD'
  /** A published file would have to change. */
  | 'ERR_LEDGER_IMMUTABLE';

export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly code: LedgerCode;

  constructor(code: LedgerCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
