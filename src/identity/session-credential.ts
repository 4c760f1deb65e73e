import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Principal } from '../model/principal.ts';
import type { ScramVerifier, StoredCredential } from './credential-store.ts';
import { IdentityError } from './errors.ts';

/** Crockford's base 32: no letter that could be read as another. https://www.crockford.com/base32.html */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** 26 × 5 bits = 130 bits. */
const ID_CHARACTERS = 26;
/** 39 × 5 bits = 195 bits: too many to guess, so the iteration count need not slow anybody down. */
const SECRET_CHARACTERS = 39;
const SECRET_SHAPE = /^gsk_[0-9a-hjkmnp-tv-z]{39}$/;
/** What RFC 7677 §4 asks for at least. https://www.rfc-editor.org/rfc/rfc7677#section-4 */
const ITERATIONS = 4096;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** A week: what is asked for above that is refused, not cut. */
const MAX_TTL_SECONDS = 7 * 24 * 3600;

export interface IssuedCredential {
  /** User name on the wire. */
  readonly id: string;
  /** Password on the wire. Shown once, kept nowhere. */
  readonly secret: string;
  readonly stored: StoredCredential;
}

/**
 * Makes a credential for native clients out of a principal who proved himself with a token.
 * Printable ASCII only, so SASLprep (RFC 4013) leaves it as it is.
 * @throws IdentityError ERR_IDENTITY_CREDENTIAL_LIFETIME when `ttlSeconds` is not within a second and a week.
 */
export function issueSessionCredential(
  principal: Principal,
  options: { readonly ttlSeconds: number /** Milliseconds since the epoch. */; readonly now: number },
): IssuedCredential {
  const { ttlSeconds, now } = options;
  if (!Number.isFinite(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
    throw new IdentityError(
      'ERR_IDENTITY_CREDENTIAL_LIFETIME',
      `${ttlSeconds} s is not within 1 and ${MAX_TTL_SECONDS} s`,
    );
  }
  const id = `gs_${randomText(ID_CHARACTERS)}`;
  const secret = `gsk_${randomText(SECRET_CHARACTERS)}`;
  const expiresAt = now + Math.floor(ttlSeconds * 1000);
  const stored: StoredCredential = {
    id,
    principal: { ...principal, credential: { type: 'session', id }, expiresAt },
    verifier: makeVerifier(secret, randomBytes(SALT_BYTES)),
    issuedAt: now,
    expiresAt,
  };
  return { id, secret, stored };
}

/** Whether a user name on the wire has the shape of a session credential's id. */
export function isSessionCredentialId(user: string): boolean {
  return user.length === ID_CHARACTERS + 3 && /^gs_[0-9a-hjkmnp-tv-z]+$/.test(user);
}

/** Checks the secret when it came in clear (inside TLS), in a time that does not depend on how much of it is right. */
export function verifySessionSecret(stored: StoredCredential, secret: string): boolean {
  const { salt, iterations, storedKey } = stored.verifier;
  // HMAC pads its key with zeros, so a secret with a NUL at its end would fit too; and megabytes would only cost time.
  const isShaped = SECRET_SHAPE.test(secret);
  const given = makeVerifier(isShaped ? secret : '', salt, iterations);
  return timingSafeEqual(given.storedKey, storedKey) && isShaped;
}

/**
 * Gives the principal of a credential whose secret was proved, or says why it is worthless.
 * @throws IdentityError ERR_IDENTITY_CREDENTIAL_REVOKED, ERR_IDENTITY_CREDENTIAL_EXPIRED
 */
export function principalOfCredential(stored: StoredCredential, now: number): Principal {
  if (stored.revokedAt !== undefined) {
    throw new IdentityError('ERR_IDENTITY_CREDENTIAL_REVOKED', `${stored.id} was revoked`);
  }
  if (now >= stored.expiresAt) throw new IdentityError('ERR_IDENTITY_CREDENTIAL_EXPIRED', `${stored.id} has expired`);
  return stored.principal;
}

/**
 * A verifier that no secret fits, the same for the same id as long as `key` is the same: with it an unknown id goes
 * through the whole SCRAM exchange and cannot be told from a wrong secret.
 */
export function decoyVerifier(id: string, key: Buffer): ScramVerifier {
  const derive = (use: string): Buffer => createHmac('sha256', key).update(`gatehouse/decoy/${use}\n${id}`).digest();
  return {
    salt: derive('salt').subarray(0, SALT_BYTES),
    iterations: ITERATIONS,
    storedKey: derive('stored-key'),
    serverKey: derive('server-key'),
  };
}

/** https://www.rfc-editor.org/rfc/rfc5802#section-3 */
function makeVerifier(secret: string, salt: Buffer, iterations = ITERATIONS): ScramVerifier {
  const salted = pbkdf2Sync(secret, salt, iterations, KEY_BYTES, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    salt,
    iterations,
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

function randomText(characters: number): string {
  // 256 is a multiple of 32, so the lowest five bits of a byte are uniform.
  return Array.from(randomBytes(characters), (byte) => ALPHABET[byte & 31]).join('');
}
