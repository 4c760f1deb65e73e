/** Why the gateway itself said no. Each protocol's `refusal.ts` translates every code; a new one does not compile until it can. */
export type RefusalCode =
  | 'policy-denied'
  | 'approval-required'
  | 'approval-denied'
  | 'approval-expired'
  | 'row-limit'
  | 'statement-opaque'
  | 'statement-too-large'
  | 'statement-unmaskable'
  | 'mask-written'
  | 'plan-changed'
  | 'names-changed'
  | 'mask-violation'
  | 'value-detected'
  | 'ledger-unavailable'
  | 'authentication-failed'
  | 'authentication-timeout'
  | 'credential-expired'
  | 'tls-required'
  | 'unknown-connection'
  | 'target-unavailable'
  | 'target-lost'
  | 'session-ended'
  | 'too-many-connections'
  | 'shutting-down'
  | 'protocol-violation'
  | 'protocol-unsupported'
  | 'internal-error';

export interface Refusal {
  readonly code: RefusalCode;
  /** What happened. */
  readonly message: string;
  /** Why: the rule's reason. */
  readonly detail?: string;
  /** What to do next. */
  readonly hint?: string;
  /** Overrides the code's own SQLSTATE when the target would have used a more exact one. */
  readonly sqlstate?: string;
  /** 1-based character position in the client's own text. */
  readonly position?: number;
}
