import type { Principal } from '../model/principal.ts';

/**
 * What a server keeps of a SCRAM-SHA-256 password; the password cannot be computed back from it.
 * https://www.rfc-editor.org/rfc/rfc5802#section-3
 */
export interface ScramVerifier {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** A session credential as it is kept: nothing in it lets its reader log in. */
export interface StoredCredential {
  /** `gs_` and 26 characters; also the user name on the wire. */
  readonly id: string;
  /** Who logs in with it. `credential` is `{type: 'session', id}` and `expiresAt` that of the credential. */
  readonly principal: Principal;
  readonly verifier: ScramVerifier;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** Milliseconds since the epoch; worthless from then on. */
  readonly expiresAt: number;
  /** Set once it was revoked (milliseconds since the epoch); worthless from then on. */
  readonly revokedAt?: number;
}

/** The port through which session credentials are kept. Implemented in `storage`. */
export interface CredentialStore {
  /** Resolves only when the credential is on stable storage. MUST reject with ERR_IDENTITY_CREDENTIAL_EXISTS when the id is taken. */
  put(credential: StoredCredential): Promise<void>;
  /**
   * Gives the credential, revoked and expired ones included: the caller judges both, so that he can say which it was.
   * MUST reject (never resolve `undefined`) when the store could not be read, so that a caller can tell "unknown" from "broken".
   */
  get(id: string): Promise<StoredCredential | undefined>;
  /**
   * Marks the credential as revoked at `at` and resolves, when that is on stable storage, with what it is now; `undefined`
   * for an unknown id. An already revoked credential MUST keep its first `revokedAt`. A revocation MUST never be undone.
   */
  revoke(id: string, at: number): Promise<StoredCredential | undefined>;
  /** All credentials of a principal id that `prune` left, newest first, revoked and expired ones included. */
  listFor(principalId: string): Promise<readonly StoredCredential[]>;
  /** Forgets credentials that expired before `before` (milliseconds since the epoch). MUST NOT touch any other. Gives how many. */
  prune(before: number): Promise<number>;
}
