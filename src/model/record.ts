import type { JsonObject, JsonValue } from './json.ts';

/** Kinds of ledger records (native `k`). Closed: a new kind is added here first. */
export type AuditKind =
  | 'log.start'
  | 'log.stop'
  | 'log.key'
  | 'heartbeat'
  | 'clock.check'
  | 'auth.logon'
  | 'auth.refused'
  | 'session.start'
  | 'session.end'
  | 'query'
  | 'query.end'
  | 'approval.requested'
  | 'approval.decided'
  | 'approval.used'
  | 'approval.expired'
  | 'grant.active'
  | 'grant.revoked'
  | 'policy.changed'
  | 'label.changed'
  | 'mask.rotated'
  | 'connection.changed'
  | 'config.refused'
  | 'cred.issued'
  | 'cred.used'
  | 'cred.revoked'
  | 'cred.rotated'
  | 'catalog.refreshed'
  | 'alert.raised'
  | 'session.killed'
  | 'evidence.exported'
  | 'recording.viewed';

/**
 * A salted commitment to one hidden value (SD-JWT disclosure, RFC 9901 §4.2). Made by `Ledger.conceal`; may be shared by
 * several records of a session (the same statement executed again), which then show the same digest.
 */
export interface Disclosure {
  /** base64url(JSON[salt, name, value]) */
  readonly encoded: string;
  /** base64url(SHA-256(encoded)) */
  readonly digest: string;
}

export interface AuditRecord {
  readonly kind: AuditKind;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly session?: string;
  /** Goes into the leaf as it is: nothing personal, nothing that a bare hash would give away. Integers only. */
  readonly clear?: JsonObject;
  readonly hidden?: readonly Disclosure[];
  /** More of `clear`, shared by many records: known by the identity of the object, which MUST never change. */
  readonly sharedClear?: JsonObject;
  /** More of `hidden`, shared likewise. */
  readonly sharedHidden?: readonly Disclosure[];
}

export interface Recorded {
  /** Index of the leaf in this node's log. */
  readonly index: number;
}

/** Waits for a record without a promise of its own. Exactly one of the two is called, once, and MUST not throw. */
export interface DurableWaiter {
  durable(): void;
  lost(error: Error): void;
}

/** The port through which the data plane and the control plane write evidence. */
export interface RecordSink {
  /**
   * Takes the record into the log, in call order, and resolves when entry and disclosures are on stable storage.
   * MUST reject (every pending and later call) once anything could not be written: the caller refuses its statement.
   */
  append(record: AuditRecord): Promise<Recorded>;
  /** Salt and digest for one hidden value. Pure but for the random salt. */
  conceal(name: string, value: JsonValue): Disclosure;
}

/** The same for the data plane, where a promise per statement is felt. */
export interface RecordQueue extends RecordSink {
  /** As `append`; gives the leaf's index at once. MUST throw where `append` rejects without having taken the record. */
  enqueue(record: AuditRecord): number;
  /** Tells when the record of that index and all before it are on stable storage. Waiters are told in the order of their indexes. */
  whenDurable(index: number, waiter: DurableWaiter): void;
}
