/** Everything that can be wrong with a log, its proofs or its disclosures. Closed: tests, reports and dashboards key on these. */
export type VerifyCode =
  | 'ERR_VERIFY_VKEY'
  | 'ERR_VERIFY_NOTE'
  | 'ERR_VERIFY_NOTE_UNKNOWN_KEY'
  | 'ERR_VERIFY_NOTE_SIGNATURE'
  | 'ERR_VERIFY_CHECKPOINT'
  | 'ERR_VERIFY_CHECKPOINT_MISSING'
  | 'ERR_VERIFY_ORIGIN'
  | 'ERR_VERIFY_SHRUNK'
  | 'ERR_VERIFY_FORKED'
  | 'ERR_VERIFY_ROOT'
  | 'ERR_VERIFY_TILE'
  | 'ERR_VERIFY_TILE_MISSING'
  | 'ERR_VERIFY_TILE_LENGTH'
  | 'ERR_VERIFY_BUNDLE'
  | 'ERR_VERIFY_BUNDLE_MISSING'
  | 'ERR_VERIFY_ENTRY_MISSING'
  | 'ERR_VERIFY_ENTRY_SURPLUS'
  | 'ERR_VERIFY_ENTRY_HASH'
  | 'ERR_VERIFY_ENTRY_FORMAT'
  | 'ERR_VERIFY_ENTRY_ORIGIN'
  | 'ERR_VERIFY_SEQUENCE'
  | 'ERR_VERIFY_TIME'
  | 'ERR_VERIFY_DISCLOSURE'
  | 'ERR_VERIFY_DISCLOSURE_FOREIGN'
  | 'ERR_VERIFY_PROOF'
  | 'ERR_VERIFY_INCLUSION'
  | 'ERR_VERIFY_CONSISTENCY'
  | 'ERR_VERIFY_JCS'
  | 'ERR_VERIFY_PATH';

export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code: VerifyCode;

  constructor(code: VerifyCode, message: string) {
    super(message);
    this.code = code;
  }
}
