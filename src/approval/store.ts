import type { ApprovalRequest, ApprovalState } from '../model/approval.ts';

/** A request as it is kept. `revision` grows with every change; `leaf` is the ledger's index of its last edge. */
export interface ApprovalEntry {
  readonly request: ApprovalRequest;
  readonly revision: number;
  readonly leaf: number;
}

export interface ApprovalFilter {
  readonly state?: ApprovalState;
  /** Principal id. */
  readonly requester?: string;
  /** Connection name. */
  readonly resource?: string;
  readonly session?: string;
}

export interface ApprovalPage {
  /** At most this many, 1–500. */
  readonly limit: number;
  /** Go on after this request (exclusive), as a former page's `next` said. */
  readonly after?: string;
}

/** The port behind approvals. Everything it promised must survive `kill -9` of the process. */
export interface ApprovalStore {
  /**
   * Keeps a new pending request under the key of its binding. MUST resolve only when it is on stable storage.
   * When a pending request of the same requester with the same key exists, it MUST return that one and keep nothing.
   */
  create(entry: ApprovalEntry, key: string): Promise<ApprovalEntry>;
  get(id: string): Promise<ApprovalEntry | undefined>;
  /** Newest first. */
  list(filter: ApprovalFilter, page: ApprovalPage): Promise<{ items: readonly ApprovalRequest[]; next?: string }>;
  findPending(requester: string, key: string): Promise<ApprovalEntry | undefined>;
  /** Approved requests with this key whose grant holds at `now` and has uses left; oldest grant first. */
  findUsable(requester: string, resource: string, key: string, now: number): Promise<readonly ApprovalEntry[]>;
  /**
   * Puts `next` in the place of the stored request. MUST do so only while the stored revision is `revision`, in one
   * transaction, and MUST answer false otherwise, having changed nothing. Resolves when it is on stable storage.
   */
  replace(revision: number, next: ApprovalRequest, leaf: number): Promise<boolean>;
  /**
   * Takes one use. MUST be atomic over all processes that share the store: it succeeds only if the state is `approved`,
   * now ≤ notAfter and used < uses; then used grows by one and the last use makes the state `exhausted`.
   * Resolves when it is on stable storage; undefined when there was nothing to take.
   */
  consume(id: string, now: number): Promise<ApprovalEntry | undefined>;
  /** Pending requests with expiresAt ≤ now and approved ones with notAfter < now, at most `limit`. */
  due(now: number, limit: number): Promise<readonly ApprovalEntry[]>;
}
