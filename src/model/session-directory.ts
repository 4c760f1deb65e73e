import type { Principal } from './principal.ts';

/** A session that is open now. */
export interface LiveSession {
  readonly id: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly client: string;
  readonly sourceIp: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** `active` when absent. */
  readonly state?: 'authenticating' | 'idle' | 'active' | 'waiting-for-approval' | 'closing';
  readonly statements: number;
  readonly rows: number;
}

/** The one port between data plane and control plane: what runs, and how to stop it. Implemented by `dataplane`. */
export interface SessionDirectory {
  list(): readonly LiveSession[];
  /**
   * Ends a session: its statement is cancelled at the target and the client told `reason`.
   * Resolves with false when there is no such session; otherwise when nothing more can reach its client.
   */
  terminate(id: string, reason: string): Promise<boolean>;
}
