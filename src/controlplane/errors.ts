export type ControlErrorCode =
  /** No, or no acceptable, proof of identity. */
  | 'ERR_CONTROLPLANE_UNAUTHENTICATED'
  /** A bearer token came over a connection others can read. */
  | 'ERR_CONTROLPLANE_TLS_REQUIRED'
  /** This route wants an OIDC token, not a session credential. */
  | 'ERR_CONTROLPLANE_TOKEN_REQUIRED'
  | 'ERR_CONTROLPLANE_FORBIDDEN'
  /** There is no such thing, or the caller may not know that there is. */
  | 'ERR_CONTROLPLANE_NOT_FOUND'
  | 'ERR_CONTROLPLANE_BAD_REQUEST'
  | 'ERR_CONTROLPLANE_CONFLICT'
  | 'ERR_CONTROLPLANE_TOO_LARGE'
  | 'ERR_CONTROLPLANE_TOO_MANY_FAILURES'
  /** The evidence of a change could not be written, so the change was not made. */
  | 'ERR_CONTROLPLANE_NOT_RECORDED'
  /** A part this route needs does not answer. */
  | 'ERR_CONTROLPLANE_UNAVAILABLE'
  /** A mistake of ours; the log has more. */
  | 'ERR_CONTROLPLANE_INTERNAL';

export const statusOf: Readonly<Record<ControlErrorCode, number>> = {
  ERR_CONTROLPLANE_UNAUTHENTICATED: 401,
  ERR_CONTROLPLANE_TLS_REQUIRED: 403,
  ERR_CONTROLPLANE_TOKEN_REQUIRED: 403,
  ERR_CONTROLPLANE_FORBIDDEN: 403,
  ERR_CONTROLPLANE_NOT_FOUND: 404,
  ERR_CONTROLPLANE_BAD_REQUEST: 400,
  ERR_CONTROLPLANE_CONFLICT: 409,
  ERR_CONTROLPLANE_TOO_LARGE: 413,
  ERR_CONTROLPLANE_TOO_MANY_FAILURES: 429,
  ERR_CONTROLPLANE_NOT_RECORDED: 503,
  ERR_CONTROLPLANE_UNAVAILABLE: 503,
  ERR_CONTROLPLANE_INTERNAL: 500,
};

/** An answer other than the one asked for. The message is for the caller. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: ControlErrorCode;
  readonly retryAfterSeconds: number | undefined;
  constructor(code: ControlErrorCode, message: string, options: ErrorOptions & { retryAfterSeconds?: number } = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return statusOf[this.code];
  }
}

/** The same words for what does not exist and for what one may not see: existence is a secret too. */
export function notFound(what: string): ControlError {
  return new ControlError(
    'ERR_CONTROLPLANE_NOT_FOUND',
    `There is no such ${what}, or you may not see it. Check the id, and that you are logged in as the right person.`,
  );
}
