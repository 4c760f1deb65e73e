import type { ApprovalConditions, ApprovalDecision, ApprovalRequest } from '../model/approval.ts';
import type { Principal } from '../model/principal.ts';
import { ApprovalError } from './errors.ts';
import { countHumans, hasHuman, hasSpoken, isRequester } from './people.ts';

export interface ApprovalSettings {
  /** A request nobody answered expires after this. */
  readonly expireSeconds: number;
  /** How long consent holds when the approver names no window. */
  readonly grantSeconds: number;
  /** Characters a reason needs on both sides, white space around it not counted. */
  readonly reasonMinLength: number;
  /** Refuse to open a request without the requester's purpose. Off when absent: many clients have no way to state one. */
  readonly purposeRequired?: boolean;
  /** The most pending requests one requester may have, so that a loop cannot bury the approvers; 100 when absent, at most 500. */
  readonly maxPending?: number;
  /** The longest window an approver may give; a day when absent. */
  readonly maxGrantSeconds?: number;
  /** The most uses an approver may give; 1,000 when absent. */
  readonly maxUses?: number;
}

export interface Verdict extends ApprovalConditions {
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
}

const DAY = 86_400;
/** Longer texts are no reasons; they only fill the ledger. */
export const REASON_MAX_LENGTH = 2_000;

/**
 * The same request with one more decision: pure, every rule about who may consent to what is here.
 * Denial is final. Consent counts from the decision that completes it, and the strictest conditions hold.
 * @throws ApprovalError for everything that is not allowed
 */
export function withDecision(
  request: ApprovalRequest,
  approver: Principal,
  verdict: Verdict,
  now: number,
  settings: ApprovalSettings,
): ApprovalRequest {
  if (isRequester(request, approver)) {
    throw new ApprovalError(
      'ERR_APPROVAL_OWN_REQUEST',
      `Request ${request.id} is your own, or that of somebody you act for. Ask another person to decide; you can only cancel it.`,
    );
  }
  assertPending(request, now);
  const groups = request.approvers.filter((group) => approver.groups.includes(group));
  if (request.approvers.length > 0 && groups.length === 0) {
    throw new ApprovalError(
      'ERR_APPROVAL_NOT_AN_APPROVER',
      `Request ${request.id} needs consent of ${request.approvers.join(', ')}, and you are in none of these groups. Ask one of their members.`,
    );
  }
  if (hasSpoken(request, approver)) {
    throw new ApprovalError(
      'ERR_APPROVAL_ALREADY_SPOKEN',
      `You, or somebody who acts for the same person, have decided on request ${request.id} before. The remaining consent must come from other people.`,
    );
  }
  if (verdict.verdict === 'approve' && !hasHuman(approver)) {
    throw new ApprovalError(
      'ERR_APPROVAL_NOT_A_PERSON',
      `Consent to request ${request.id} has to be a person's, and ${approver.id} is a ${approver.kind} that acts for nobody. Ask a member of ${request.approvers.join(', ') || 'the approvers'}.`,
    );
  }
  const reason = assertReason(verdict.reason, settings.reasonMinLength);
  const conditions = verdict.verdict === 'approve' ? assertConditions(verdict, settings) : undefined;
  const decision: ApprovalDecision = {
    approver: approver.id,
    approverName: approver.name,
    person: {
      subject: approver.subject,
      kind: approver.kind,
      ...(approver.onBehalfOf === undefined ? {} : { onBehalfOf: approver.onBehalfOf }),
    },
    verdict: verdict.verdict,
    reason,
    at: now,
    groups,
    ...(conditions === undefined ? {} : { conditions }),
  };
  const next = { ...request, decisions: [...request.decisions, decision] };
  if (verdict.verdict === 'deny') return { ...next, state: 'denied' };
  if (!quorumMet(next)) return next;
  return { ...next, state: 'approved', grant: grantOf(next, now, settings) };
}

/**
 * The same request with its consent taken back. A used-up one too, as long as it could have been used: its last result may still be
 * on its way.
 * @throws ApprovalError `ERR_APPROVAL_NOT_IN_FORCE`, `ERR_APPROVAL_REASON_TOO_SHORT`
 */
export function withRevocation(
  request: ApprovalRequest,
  by: Principal,
  reason: string,
  now: number,
  settings: ApprovalSettings,
): ApprovalRequest {
  const given = request.state === 'approved' || request.state === 'exhausted';
  if (!given || request.grant === undefined || now > request.grant.notAfter) {
    const state = given ? 'over' : request.state;
    const next = request.state === 'pending' ? ' Deny or cancel it instead.' : '';
    throw new ApprovalError(
      'ERR_APPROVAL_NOT_IN_FORCE',
      `Request ${request.id} is ${state}, so there is no consent to take back.${next}`,
    );
  }
  const text = assertReason(reason, settings.reasonMinLength);
  return { ...request, state: 'revoked', revocation: { by: by.id, byName: by.name, reason: text, at: now } };
}

/** Enough different humans, and somebody of each group that is asked for. */
export function quorumMet(request: ApprovalRequest): boolean {
  const consents = request.decisions.filter((decision) => decision.verdict === 'approve');
  const groups = new Set(consents.flatMap((decision) => decision.groups));
  return countHumans(consents) >= Math.max(1, request.quorum) && request.approvers.every((group) => groups.has(group));
}

/** @throws ApprovalError `ERR_APPROVAL_EXPIRED`, `ERR_APPROVAL_NOT_PENDING` */
export function assertPending(request: ApprovalRequest, now: number): void {
  if (request.state === 'expired' || (request.state === 'pending' && now >= request.expiresAt)) {
    throw new ApprovalError(
      'ERR_APPROVAL_EXPIRED',
      `Request ${request.id} has expired. Run the statement again to open a new one.`,
    );
  }
  if (request.state !== 'pending') {
    throw new ApprovalError(
      'ERR_APPROVAL_NOT_PENDING',
      `Request ${request.id} is ${request.state} and can no longer change. Run the statement again to open a new one.`,
    );
  }
}

/** @returns the reason without white space around it. @throws ApprovalError `ERR_APPROVAL_REASON_TOO_SHORT` */
export function assertReason(reason: string, minLength: number): string {
  const text = reason.trim();
  if (text.length < minLength || text.length > REASON_MAX_LENGTH || !text.isWellFormed()) {
    throw new ApprovalError(
      'ERR_APPROVAL_REASON_TOO_SHORT',
      `A reason of ${minLength} to ${REASON_MAX_LENGTH} characters is required; this one has ${text.length}. Say why.`,
    );
  }
  return text;
}

function assertConditions(verdict: Verdict, settings: ApprovalSettings): ApprovalConditions | undefined {
  const within = (name: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
    throw new ApprovalError(
      'ERR_APPROVAL_BAD_CONDITIONS',
      `${name} is ${value}, but must be a whole number from ${least} to ${most}.`,
    );
  };
  within('uses', verdict.uses, 1, settings.maxUses ?? 1_000);
  within('windowSeconds', verdict.windowSeconds, 1, longestWindow(settings));
  within('rowLimit', verdict.rowLimit, 0, Number.MAX_SAFE_INTEGER);
  const { uses, windowSeconds, rowLimit } = verdict;
  if (uses === undefined && windowSeconds === undefined && rowLimit === undefined) return undefined;
  return {
    ...(uses === undefined ? {} : { uses }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...(rowLimit === undefined ? {} : { rowLimit }),
  };
}

/** Seconds for which consent may hold at most. */
export function longestWindow(settings: ApprovalSettings): number {
  return Math.max(settings.maxGrantSeconds ?? DAY, settings.grantSeconds);
}

function grantOf(
  request: ApprovalRequest,
  now: number,
  settings: ApprovalSettings,
): NonNullable<ApprovalRequest['grant']> {
  const given = request.decisions.map((decision) => decision.conditions ?? {});
  const { seconds: asked, uses: askedUses } = request.binding;
  const windows = given.map((one) => one.windowSeconds ?? asked ?? settings.grantSeconds);
  const windowSeconds = Math.min(...windows, asked ?? Number.POSITIVE_INFINITY);
  const rowLimits = given.flatMap((one) => (one.rowLimit === undefined ? [] : [one.rowLimit]));
  return {
    notAfter: now + windowSeconds * 1_000,
    uses: Math.min(...given.map((one) => one.uses ?? askedUses ?? 1), askedUses ?? Number.POSITIVE_INFINITY),
    used: 0,
    ...(rowLimits.length === 0 ? {} : { rowLimit: Math.min(...rowLimits) }),
  };
}
