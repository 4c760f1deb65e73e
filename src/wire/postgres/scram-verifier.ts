import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { WireError } from '../errors.ts';
import { saslprep } from './saslprep.ts';

/** What a server keeps instead of a password (RFC 5802 §3). */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  /** SHA-256(ClientKey), 32 bytes. */
  readonly storedKey: Buffer;
  /** 32 bytes. */
  readonly serverKey: Buffer;
}

/** The server's own default; RFC 7677 §4 asks for no less. */
export const MIN_ITERATIONS = 4096;
/** What a client is willing to compute for a server: about half a second of one core. */
export const MAX_ITERATIONS = 1_000_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

const derive = promisify(pbkdf2);

/**
 * Makes the verifier of a password in the server's own spelling, `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
 * @param options.salt for tests; 16 random bytes by default
 */
export async function makeScramVerifier(
  password: string,
  options: { readonly iterations?: number; readonly salt?: Buffer } = {},
): Promise<string> {
  const iterations = options.iterations ?? MIN_ITERATIONS;
  const salt = options.salt ?? randomBytes(SALT_BYTES);
  const salted = await saltedPassword(password, salt, iterations);
  return formatScramVerifier({ iterations, salt, storedKey: sha256(clientKey(salted)), serverKey: serverKey(salted) });
}

/** Throws `WireError` when the text is no SCRAM-SHA-256 verifier. */
export function parseScramVerifier(text: string): ScramVerifier {
  const match = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/.exec(text);
  const [, iterations, salt, storedKey, serverKeyText] = match ?? [];
  const verifier = {
    iterations: Number(iterations),
    salt: Buffer.from(salt ?? '', 'base64'),
    storedKey: Buffer.from(storedKey ?? '', 'base64'),
    serverKey: Buffer.from(serverKeyText ?? '', 'base64'),
  };
  if (
    !match ||
    verifier.iterations < 1 ||
    verifier.salt.length === 0 ||
    verifier.storedKey.length !== KEY_BYTES ||
    verifier.serverKey.length !== KEY_BYTES ||
    formatScramVerifier(verifier) !== text // base64 that only decodes to the same bytes is not the same verifier
  ) {
    throw new WireError('ERR_WIRE_BAD_VALUE', 'not a SCRAM-SHA-256 verifier');
  }
  return verifier;
}

export function formatScramVerifier(verifier: ScramVerifier): string {
  const { iterations, salt, storedKey, serverKey: key } = verifier;
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${key.toString('base64')}`;
}

/** RFC 5802 `SaltedPassword`, computed off the main thread. */
export function saltedPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return derive(Buffer.from(saslprep(password), 'utf8'), salt, iterations, KEY_BYTES, 'sha256');
}

export function clientKey(salted: Buffer): Buffer {
  return hmac(salted, Buffer.from('Client Key'));
}

export function serverKey(salted: Buffer): Buffer {
  return hmac(salted, Buffer.from('Server Key'));
}

export function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

export function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

/** Both 32 bytes. */
export function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.alloc(KEY_BYTES);
  for (let i = 0; i < KEY_BYTES; i++) out[i] = (a[i] as number) ^ (b[i] as number);
  return out;
}
