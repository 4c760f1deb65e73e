/** What can be wrong with bytes from a peer, or with a value that should become bytes. Tests and dashboards key on these. */
export type WireErrorCode =
  | 'ERR_WIRE_FRAME_TOO_SHORT'
  | 'ERR_WIRE_FRAME_TOO_LARGE'
  | 'ERR_WIRE_UNKNOWN_MESSAGE'
  | 'ERR_WIRE_TRUNCATED'
  | 'ERR_WIRE_UNTERMINATED_STRING'
  | 'ERR_WIRE_LEFT_OVER'
  | 'ERR_WIRE_BAD_ENCODING'
  | 'ERR_WIRE_BAD_VALUE'
  | 'ERR_WIRE_NOT_ENCODABLE'
  /** A SASL message that breaks its grammar, or an exchange out of step. */
  | 'ERR_WIRE_SASL_MALFORMED'
  /** A well-formed SASL exchange whose proof or signature is wrong: the password, or the server, is not the right one. */
  | 'ERR_WIRE_SASL_REJECTED';

/**
 * The peer broke the protocol. After it the connection's framing can no longer be trusted: answer once, then close.
 * Messages never hold values from the wire other than lengths, counts and type letters.
 */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
