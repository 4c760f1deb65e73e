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

interface Entry {
  readonly secret: Buffer;
  readonly session: Cancellable;
}

/**
 * Our own cancel keys, handed to clients in BackendKeyData instead of the target's: the target's secret never leaves the gateway, and a
 * cancel request can also end a wait for consent. The process id is the target's where it gave one: clients look for themselves in
 * pg_stat_activity and pg_locks with it. Two targets may give the same one; the secrets tell them apart.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export class CancelKeys {
  readonly #sessions = new Map<number, readonly Entry[]>();

  /** `secretBytes`: 4 for protocol 3.0, 32 for 3.2. `targetProcess`: as the target said it. */
  issue(session: Cancellable, secretBytes: 4 | 32, targetProcess?: number): CancelKey {
    const processId = targetProcess ?? this.#unused();
    const others = this.#sessions.get(processId) ?? [];
    let secret = randomBytes(secretBytes);
    while (others.some((entry) => entry.secret.equals(secret))) secret = randomBytes(secretBytes);
    this.#sessions.set(processId, [...others, { secret, session }]);
    return { processId, secret };
  }

  revoke({ processId, secret }: CancelKey): void {
    const left = (this.#sessions.get(processId) ?? []).filter((entry) => !entry.secret.equals(secret));
    if (left.length > 0) this.#sessions.set(processId, left);
    else this.#sessions.delete(processId);
  }

  /** Says nothing about success, as the protocol wants: an attacker learns nothing from a wrong key. */
  async cancel(processId: number, secret: Buffer): Promise<void> {
    const entries = this.#sessions.get(processId) ?? [];
    const meant = entries.find(
      (entry) => entry.secret.length === secret.length && timingSafeEqual(entry.secret, secret),
    );
    await meant?.session.cancel();
  }

  #unused(): number {
    let processId = randomInt(1, 2 ** 31 - 1);
    while (this.#sessions.has(processId)) processId = randomInt(1, 2 ** 31 - 1);
    return processId;
  }
}
