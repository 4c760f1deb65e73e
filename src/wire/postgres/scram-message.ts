import { randomBytes } from 'node:crypto';
import { WireError } from '../errors.ts';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';

export const CHANNEL_BINDING_TYPE = 'tls-server-end-point';

/** Far above any honest message; a nonce or salt without end is refused before it is looked at. */
const MAX_MESSAGE_BYTES = 4096;
const NONCE_BYTES = 18;

export function makeNonce(): string {
  return randomBytes(NONCE_BYTES).toString('base64');
}

/** RFC 5802 §5.1: printable ASCII without comma. */
export function isNonce(text: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text);
}

/** RFC 5802 messages are UTF-8; the parts that are read here are ASCII. Throws `WireError`. */
export function scramText(data: Buffer): string {
  if (data.length > MAX_MESSAGE_BYTES) throw malformed(`message of ${data.length} bytes`);
  const text = data.toString('utf8');
  if (text.includes('\0')) throw malformed('NUL in a message');
  return text;
}

/**
 * Splits `a=…,b=…` into its attributes and insists on their letters in order; what follows them are optional extensions,
 * which RFC 5802 tells to ignore unless they are mandatory (`m=`).
 */
export function attributes(text: string, letters: readonly string[]): readonly string[] {
  const parts = text.split(',');
  for (const part of parts) {
    if (!/^[A-Za-z]=/.test(part)) throw malformed('an attribute without name');
    if (part.startsWith('m=')) throw malformed('a mandatory extension is asked for, none is known');
  }
  return letters.map((letter, i) => {
    const part = parts[i];
    if (part === undefined || part[0] !== letter) throw malformed(`attribute ${letter} is missing`);
    return part.slice(2);
  });
}

/** Strict base64: what decodes must be exactly what was written. */
export function fromBase64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw malformed(`${what} is not base64`);
  return bytes;
}

export function malformed(what: string): WireError {
  return new WireError('ERR_WIRE_SASL_MALFORMED', `SCRAM: ${what}`);
}

export function rejected(what: string): WireError {
  return new WireError('ERR_WIRE_SASL_REJECTED', `SCRAM: ${what}`);
}
