import { createLocalJWKSet, type JSONWebKeySet, type JWK } from 'jose';
import { IdentityError } from './errors.ts';

type KeyLookup = ReturnType<typeof createLocalJWKSet>;

/** The keys of one issuer at one moment. */
export interface KeySet {
  readonly find: KeyLookup;
  /** Grows with every change of the keys: what was verified under an older number is verified again. */
  readonly generation: number;
}

export interface KeyTimes {
  /** Milliseconds after which keys are fetched again before use. */
  readonly freshMs: number;
  /** Milliseconds for which keys are still used when fetching fails. */
  readonly staleMs: number;
  /** Milliseconds between two attempts, whatever tokens ask for: nobody makes the gateway hammer an issuer. */
  readonly cooldownMs: number;
}

/**
 * Keeps an issuer's keys. `read` gives its JWK Set (and throws when it cannot); one attempt runs at a time.
 * A key that disappears from the set is gone with the next read; when reading fails, the last keys hold for `staleMs`.
 */
export class KeySource {
  readonly #read: () => Promise<JSONWebKeySet>;
  readonly #times: KeyTimes;
  readonly #issuer: string;
  #keys: KeySet | undefined;
  #content = '';
  #readAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #failure = '';

  constructor(issuer: string, times: KeyTimes, read: () => Promise<JSONWebKeySet>) {
    this.#issuer = issuer;
    this.#times = times;
    this.#read = read;
  }

  /** @throws IdentityError ERR_IDENTITY_KEYS_UNAVAILABLE */
  async current(now: number): Promise<KeySet> {
    if (now - this.#readAt >= this.#times.freshMs) await this.#attempt(now);
    if (this.#keys === undefined || now - this.#readAt >= this.#times.freshMs + this.#times.staleMs) {
      const detail = `no usable keys of ${this.#issuer}: ${this.#failure || 'not fetched yet'}`;
      throw new IdentityError('ERR_IDENTITY_KEYS_UNAVAILABLE', detail);
    }
    return this.#keys;
  }

  /** After a key was not found: reads again unless that was just tried. Gives the newest keys. */
  async renewed(now: number): Promise<KeySet> {
    await this.#attempt(now);
    return this.current(now);
  }

  async #attempt(now: number): Promise<void> {
    if (this.#running === undefined) {
      if (now - this.#triedAt < this.#times.cooldownMs) return;
      this.#triedAt = now;
      this.#running = this.#fetchOnce(now).finally(() => {
        this.#running = undefined;
      });
    }
    await this.#running;
  }

  async #fetchOnce(now: number): Promise<void> {
    try {
      const usable = usableKeys(await this.#read());
      const content = JSON.stringify(usable);
      if (this.#keys === undefined || content !== this.#content) {
        this.#keys = { find: createLocalJWKSet({ keys: usable }), generation: (this.#keys?.generation ?? 0) + 1 };
        this.#content = content;
      }
      this.#readAt = now;
      this.#failure = '';
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
  }
}

/** Public signature keys only: a shared secret in a published set is no secret, and encryption keys sign nothing. */
function usableKeys(set: JSONWebKeySet): JWK[] {
  if (typeof set !== 'object' || set === null || !Array.isArray(set.keys)) throw new Error('it is no JWK Set');
  const usable = set.keys.filter(
    (key) =>
      typeof key === 'object' &&
      key !== null &&
      (key.kty === 'RSA' || key.kty === 'EC' || key.kty === 'OKP') &&
      (key.use === undefined || key.use === 'sig') &&
      key.d === undefined,
  );
  if (usable.length === 0) throw new Error('it has no public key for signatures');
  if (usable.length > 100) throw new Error('it has more than 100 keys');
  return usable;
}
