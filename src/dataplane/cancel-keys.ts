import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/** A session that can be asked to stop what it is doing. */
export interface Cancellable {
  /** Resolves when the request can hit nothing that is sent from now on. */
  cancel(): Promise<void>;
}

export interface CancelKey {
  readonly processId: number;
  readonly secret: Buffer;
}

/**
 * Our own cancel keys, handed to clients in BackendKeyData instead of the target's: the target's key never leaves the gateway, and a
 * cancel request can also end a wait for consent.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export class CancelKeys {
  readonly #sessions = new Map<number, { readonly secret: Buffer; readonly session: Cancellable }>();

  /** `secretBytes`: 4 for protocol 3.0, 32 for 3.2. */
  issue(session: Cancellable, secretBytes: 4 | 32): CancelKey {
    let processId = randomInt(1, 2 ** 31 - 1);
    while (this.#sessions.has(processId)) processId = randomInt(1, 2 ** 31 - 1);
    const secret = randomBytes(secretBytes);
    this.#sessions.set(processId, { secret, session });
    return { processId, secret };
  }

  revoke(processId: number): void {
    this.#sessions.delete(processId);
  }

  /** Says nothing about success, as the protocol wants: an attacker learns nothing from a wrong key. */
  async cancel(processId: number, secret: Buffer): Promise<void> {
    const entry = this.#sessions.get(processId);
    if (!entry || entry.secret.length !== secret.length || !timingSafeEqual(entry.secret, secret)) return;
    await entry.session.cancel();
  }
}
