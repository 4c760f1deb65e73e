import type { JsonObject } from './json.ts';
import type { PrincipalKind } from './principal.ts';

/** `exhausted`: all uses are taken, though the last one may still run. `revoked`: consent was taken back before its end. */
export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'exhausted' | 'revoked';

/** Exactly what consent is given to. Hashed as EVIDENCE §6: SHA256("gw/approval-binding/v1\n" || JCS(bind)). */
export interface ApprovalBinding extends JsonObject {
  readonly v: 1;
  /** Principal id of the requester. */
  readonly requester: string;
  /** Connection name. */
  readonly resource: string;
  /** Target role. */
  readonly role: string;
  /** The client's exact text. */
  readonly stmt: string;
  /** SHA-256 (hex) over the bound parameters' bytes and types, empty string when there are none. */
  readonly params: string;
  /** Why it was held: ids of the forbidding policies, sorted. */
  readonly policies: readonly string[];
  /** Policy set hash and label version in force. */
  readonly masks: string;
  /** Effective search path: under another one the same text is another statement. */
  readonly searchPath?: readonly string[];
  /**
   * Consent is asked for seeing these labels unmasked. With an empty `stmt`: in whatever statement, for a while, and `masks` is the policy
   * version alone. Else in exactly this statement.
   */
  readonly unmask?: readonly string[];
  /** For how long, at most; only with `unmask`. */
  readonly seconds?: number;
  /** How often the statement may run, at most; only with `unmask` and a statement. */
  readonly uses?: number;
}

/** Consent to see labels unmasked that holds now. */
export interface UnmaskGrant {
  /** Id of the request. */
  readonly request: string;
  /** These labels and those below them. */
  readonly labels: readonly string[];
  /** The forbids that were consented to; any other still hides. */
  readonly policies: readonly string[];
  /** Under another policy set it counts no more. */
  readonly policyVersion: string;
  readonly notAfter: number;
}

/** Consent to see labels unmasked in one statement, as long as uses are left. */
export interface StatementUnmaskGrant extends UnmaskGrant {
  /** What was consented to. */
  readonly binding: ApprovalBinding;
}

/** All grants of one principal on one connection; equal keys mean equal grants. */
export interface UnmaskGrants {
  /** Of `grants` alone. */
  readonly key: string;
  readonly grants: readonly UnmaskGrant[];
  /** Oldest first. */
  readonly statements: readonly StatementUnmaskGrant[];
}

export interface ApprovalDecision {
  readonly approver: string;
  readonly approverName: string;
  /** The human behind the approver, so that a quorum counts people. Absent in decisions that older versions kept: nobody knows. */
  readonly person?: { readonly subject: string; readonly kind: PrincipalKind; readonly onBehalfOf?: string };
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  readonly at: number;
  /** Which of the request's approver groups this person speaks for. */
  readonly groups: readonly string[];
  /** Conditions of this consent; the strictest over all approvers holds. */
  readonly conditions?: ApprovalConditions;
}

export interface ApprovalConditions {
  /** How often the statement may run. */
  readonly uses?: number;
  /** How long consent holds, from the decision on. */
  readonly windowSeconds?: number;
  /** How many rows may leave in total. */
  readonly rowLimit?: number;
}

export interface ApprovalRequest {
  readonly id: string;
  readonly state: ApprovalState;
  readonly bindingHash: string;
  readonly binding: ApprovalBinding;
  readonly nonce: string;
  readonly requesterName: string;
  /** The requester's bare subject: how an `on_behalf_of` claim may call him. */
  readonly requesterSubject?: string;
  /** The person for whom the requester acts; as little allowed to approve as the requester. */
  readonly onBehalfOf?: string;
  readonly session: string;
  readonly approvers: readonly string[];
  readonly quorum: number;
  /** Reason of the policy, and the requester's own purpose. */
  readonly why: string;
  readonly purpose: string;
  readonly tables: readonly string[];
  readonly labels: readonly string[];
  /** Values of the statement's parameters as text, where they are known: those whose digest is bound. */
  readonly parameters?: readonly (string | null)[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly decisions: readonly ApprovalDecision[];
  /** Who took consent back, and why. */
  readonly revocation?: {
    readonly by: string;
    readonly byName: string;
    readonly reason: string;
    readonly at: number;
  };
  /** Set when approved: how long and how often consent holds, and how many rows in total may leave (absent: no cap). */
  readonly grant?: {
    readonly notAfter: number;
    readonly uses: number;
    readonly used: number;
    readonly rowLimit?: number;
  };
}
