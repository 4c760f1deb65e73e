import type { Address } from '../../model/config.ts';
import type { NoticeField } from '../../wire/postgres/index.ts';

export type TargetErrorCode =
  /** No connection: name not found, port closed, no route. */
  | 'ERR_TARGET_UNREACHABLE'
  | 'ERR_TARGET_TIMEOUT'
  /** The caller's signal ended the attempt. */
  | 'ERR_TARGET_ABORTED'
  /** The server offers no TLS although the connection demands it. */
  | 'ERR_TARGET_TLS_REFUSED'
  /** The handshake failed, or the certificate is not the one that was asked for. */
  | 'ERR_TARGET_TLS_FAILED'
  | 'ERR_TARGET_PROTOCOL'
  /** The server asks for a way to log in that is not known, or not safe here, or for a password that is not configured. */
  | 'ERR_TARGET_AUTHENTICATION_METHOD'
  /** The server did not accept user and password. */
  | 'ERR_TARGET_AUTHENTICATION'
  /** The server could not prove that it knows the password. */
  | 'ERR_TARGET_NOT_PROVEN'
  /** The server said no for another reason: unknown database, too many connections, starting up. */
  | 'ERR_TARGET_REFUSED'
  /** The connection ended while something was expected from it. */
  | 'ERR_TARGET_LOST'
  /** The server answered a query of the gateway with an error. */
  | 'ERR_TARGET_QUERY'
  /** The answer to a query of the gateway is larger than it may be. */
  | 'ERR_TARGET_TOO_MUCH';

/** Why a target cannot be used. The message is for the gateway's operator: it holds host and port, never a password. */
export class TargetError extends Error {
  override readonly name = 'TargetError';
  readonly code: TargetErrorCode;
  /** The server's own code, when it was the server that said no. */
  readonly sqlstate: string | undefined;

  constructor(code: TargetErrorCode, message: string, options: { cause?: unknown; sqlstate?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.sqlstate = options.sqlstate;
  }
}

/** `host:port`, as an operator writes it. */
export function where(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Words of a peer for a log line: no control characters, no novel. */
export function quoted(text: string): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
  return clean.length > 500 ? `${clean.slice(0, 499)}…` : clean;
}

/** What a server's error says: its message with the SQLSTATE behind it. */
export function said(fields: readonly NoticeField[]): { readonly text: string; readonly sqlstate: string } {
  const field = (code: string) => quoted(fields.find((one) => one.code === code)?.value ?? '');
  const sqlstate = field('C');
  return { text: `${field('M') || 'no reason given'}${sqlstate === '' ? '' : ` (${sqlstate})`}`, sqlstate };
}
