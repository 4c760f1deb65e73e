/** Mistakes of the caller; what a person wrote wrongly in a label file is a `LabelProblem`, not an exception. */
export type MaskingErrorCode =
  | 'ERR_MASKING_COLUMN_UNKNOWN'
  | 'ERR_MASKING_KEY_TOO_SHORT'
  | 'ERR_MASKING_PATTERN'
  | 'ERR_MASKING_STICKY_MALFORMED';

export class MaskingError extends Error {
  override readonly name = 'MaskingError';
  readonly code: MaskingErrorCode;

  constructor(code: MaskingErrorCode, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
  }
}
