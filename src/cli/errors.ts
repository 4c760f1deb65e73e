/** Closed: a new kind of failure is added here first, with its exit code. */
export type CliErrorCode =
  | 'ERR_CLI_FAILED'
  | 'ERR_CLI_DENIED'
  | 'ERR_CLI_USAGE'
  | 'ERR_CLI_NOT_AUTHENTICATED'
  | 'ERR_CLI_UNREACHABLE';

/** What a script that calls the command can tell apart. */
export const exitCodes: Readonly<Record<CliErrorCode, number>> = {
  ERR_CLI_FAILED: 1,
  ERR_CLI_DENIED: 1,
  ERR_CLI_USAGE: 2,
  ERR_CLI_NOT_AUTHENTICATED: 3,
  ERR_CLI_UNREACHABLE: 4,
};

/** A command that cannot be done. The message says what happened and why, `hint` what to do next. */
export class CliError extends Error {
  readonly code: CliErrorCode;
  readonly hint: string | undefined;

  constructor(code: CliErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
    this.code = code;
    this.hint = hint;
  }
}
