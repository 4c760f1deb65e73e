import { BodyReader } from '../bytes/body-reader.ts';
import { BodyWriter } from '../bytes/body-writer.ts';
import { WireError } from '../errors.ts';
import {
  CANCEL_REQUEST_CODE,
  GSSENC_REQUEST_CODE,
  MAX_INITIAL_BYTES,
  MAX_KEY_BYTES,
  MIN_INITIAL_BYTES,
  MIN_KEY_BYTES,
  SSL_REQUEST_CODE,
} from './codes.ts';

/** The first packets of a connection have no type letter. */
export type InitialMessage =
  | {
      readonly kind: 'startup';
      readonly major: 3;
      readonly minor: number;
      /** In the order sent; a name that came twice is refused. */
      readonly parameters: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  | { readonly kind: 'cancel-request'; readonly pid: number; readonly key: Buffer }
  /** A version this codec does not speak: answer with an error, the rest of the packet was not read. */
  | { readonly kind: 'unsupported-version'; readonly major: number; readonly minor: number };

/** First byte of a TLS record: a client that starts TLS at once (`sslnegotiation=direct`). */
export const TLS_HANDSHAKE_BYTE = 0x16;

/** Judges the length that stands first in an initial packet; gives it (itself included, 8 to 10000). Throws `WireError`. */
export function readInitialLength(head: Buffer): number {
  const length = new BodyReader(head).uint32();
  if (length < MIN_INITIAL_BYTES) {
    throw new WireError('ERR_WIRE_FRAME_TOO_SHORT', `initial packet of ${length} bytes is below ${MIN_INITIAL_BYTES}`);
  }
  if (length > MAX_INITIAL_BYTES) {
    throw new WireError('ERR_WIRE_FRAME_TOO_LARGE', `initial packet of ${length} bytes is above ${MAX_INITIAL_BYTES}`);
  }
  return length;
}

/**
 * Parses an initial packet's body (what follows its length). Throws `WireError`.
 * https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function parseInitial(body: Buffer): InitialMessage {
  const reader = new BodyReader(body);
  const code = reader.uint32();
  switch (code) {
    case SSL_REQUEST_CODE:
      reader.end();
      return { kind: 'ssl-request' };
    case GSSENC_REQUEST_CODE:
      reader.end();
      return { kind: 'gssenc-request' };
    case CANCEL_REQUEST_CODE: {
      const pid = reader.int32();
      const key = reader.rest();
      judgeKey(key);
      return { kind: 'cancel-request', pid, key };
    }
  }
  const major = Math.floor(code / 0x10000);
  const minor = code % 0x10000;
  if (major !== 3) return { kind: 'unsupported-version', major, minor };
  const parameters = new Map<string, string>();
  for (;;) {
    const name = reader.cstring();
    if (name === '') break;
    if (parameters.has(name)) throw new WireError('ERR_WIRE_BAD_VALUE', 'a startup parameter is given twice');
    parameters.set(name, reader.cstring());
  }
  reader.end();
  return { kind: 'startup', major, minor, parameters };
}

/** Secret keys are opaque bytes of bounded length. Throws `WireError`. */
export function judgeKey(key: Uint8Array): void {
  if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES) {
    throw new WireError(
      'ERR_WIRE_BAD_VALUE',
      `a cancel key of ${key.length} bytes is not ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES}`,
    );
  }
}

export function encodeStartup(parameters: Iterable<readonly [string, string]>, minor: number): Buffer {
  const writer = new BodyWriter().uint16(3).uint16(minor);
  for (const [name, value] of parameters) {
    if (name === '') throw new WireError('ERR_WIRE_NOT_ENCODABLE', 'a startup parameter needs a name');
    writer.cstring(name).cstring(value);
  }
  return initialPacket(writer.byte(0).finish());
}

export function encodeSslRequest(): Buffer {
  return initialPacket(new BodyWriter().uint32(SSL_REQUEST_CODE).finish());
}

export function encodeGssEncRequest(): Buffer {
  return initialPacket(new BodyWriter().uint32(GSSENC_REQUEST_CODE).finish());
}

export function encodeCancelRequest(pid: number, key: Uint8Array): Buffer {
  judgeKey(key);
  return initialPacket(new BodyWriter().uint32(CANCEL_REQUEST_CODE).int32(pid).bytes(key).finish());
}

function initialPacket(body: Buffer): Buffer {
  const length = body.length + 4;
  if (length > MAX_INITIAL_BYTES) {
    throw new WireError('ERR_WIRE_NOT_ENCODABLE', `an initial packet of ${length} bytes is above ${MAX_INITIAL_BYTES}`);
  }
  return new BodyWriter().uint32(length).bytes(body).finish();
}
