export type StatementErrorCode = 'ERR_STATEMENT_GRAMMAR_UNAVAILABLE' | 'ERR_STATEMENT_BAD_LIMIT';

/** Thrown only while an analyser is made; a statement never throws, it becomes an `OpaqueStatement`. */
export class StatementError extends Error {
  readonly code: StatementErrorCode;
  constructor(code: StatementErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StatementError';
    this.code = code;
  }
}
