import { createHash } from 'node:crypto';
import type { Decision, Denial } from '../model/access.ts';
import type { ApprovalBinding, ApprovalRequest } from '../model/approval.ts';
import type { Refusal } from '../model/refusal.ts';
import { refusal } from './errors.ts';
import type { PlannedStatement } from './plan.ts';
import type { Session } from './session.ts';

/** What consent is asked for: the client's exact text and parameters, and who spoke against it. */
export interface ConsentQuestion {
  readonly text: string;
  /** SHA-256 (hex) over the bound parameters, empty when there are none. */
  readonly parameters: string;
  readonly denial: Extract<Denial, { effect: 'hold' }>;
  readonly planned: readonly PlannedStatement[];
  /** Version of catalog and labels in force. */
  readonly world: string;
  readonly searchPath: readonly string[];
}

export interface Consent {
  readonly request: ApprovalRequest;
  /** Rows that may leave in total under this consent. */
  readonly rowLimit?: number;
}

export function bindingOf(session: Session, question: ConsentQuestion): ApprovalBinding {
  return {
    v: 1,
    requester: session.principal.id,
    resource: session.connection.name,
    role: session.connection.credential.username,
    stmt: question.text,
    params: question.parameters,
    policies: [...question.denial.policies].sort(),
    masks: `${session.services.policy().version} ${question.world}`,
    searchPath: question.searchPath,
  };
}

/** Digest of the parameter part of a Bind message: formats, values, result formats stay out. */
export function parameterDigest(parameters: Buffer | undefined): string {
  return parameters === undefined || parameters.length === 0
    ? ''
    : createHash('sha256').update(parameters).digest('hex');
}

/** Parameters in text format as a Bind message says them when it names no formats; nothing when there are none. */
export function textParameters(values: readonly (Buffer | null)[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(values.length, 2);
  const parts = values.map((value) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : value.length);
    return value === null ? length : Buffer.concat([length, value]);
  });
  return Buffer.concat([head, ...parts]);
}

/** The digest of parameters that are given as text. */
export function textParameterDigest(values: readonly (string | null)[]): string {
  return parameterDigest(textParameters(values.map((value) => (value === null ? null : Buffer.from(value)))));
}

/** Uses a consent that is already there. */
export async function standingConsent(session: Session, question: ConsentQuestion): Promise<Consent | undefined> {
  const request = await session.services.approvals.consume(bindingOf(session, question));
  return request && toConsent(request);
}

/**
 * Opens a request and, as configured, waits for the decision. `onWaiting` runs once with the open request, to tell the client.
 * Gives the consent, or the refusal to answer with. `signal` aborts the wait (cancel, disconnect): the request stays open, so a later
 * consent serves the next attempt.
 */
export async function askConsent(
  session: Session,
  question: ConsentQuestion,
  signal: AbortSignal,
  onWaiting: (request: ApprovalRequest) => void,
): Promise<Consent | Refusal> {
  const { services } = session;
  const { mode, waitSeconds } = services.config().approvals;
  const request = await services.approvals.open({
    binding: bindingOf(session, question),
    requester: session.principal,
    session: session.id,
    approvers: question.denial.approvers,
    quorum: question.denial.quorum,
    why: question.denial.reason,
    purpose: session.purpose,
    tables: [...new Set(question.planned.flatMap((planned) => planned.tables))],
    labels: [...new Set(question.planned.flatMap((planned) => planned.labels))],
  });
  services.metrics.count('holds_total');
  if (mode === 'error') return pendingRefusal(question, request);
  onWaiting(request);
  const deadline = AbortSignal.timeout(waitSeconds * 1000);
  let decided: ApprovalRequest;
  try {
    decided = await services.approvals.wait(request.id, AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (deadline.aborted) return pendingRefusal(question, request);
    if (signal.aborted) {
      return refusal('approval-required', 'canceling statement due to user request', {
        sqlstate: '57014',
        detail: `The wait for consent to request ${request.id} was cancelled; the request itself stays open.`,
      });
    }
    throw error;
  }
  if (decided.state === 'approved') {
    const used = await services.approvals.consume(bindingOf(session, question));
    if (used) return toConsent(used);
  }
  return closedRefusal(decided);
}

function toConsent(request: ApprovalRequest): Consent {
  return { request, ...(request.grant?.rowLimit === undefined ? {} : { rowLimit: request.grant.rowLimit }) };
}

function pendingRefusal(question: ConsentQuestion, request: ApprovalRequest): Refusal {
  return refusal('approval-required', `gatehouse: this statement needs consent: ${question.denial.reason}`, {
    detail: `Request ${request.id} was opened (policy ${question.denial.policies.join(', ')}); it waits for ${approversText(request)}.`,
    hint: `Run the same statement again once the request is approved, or ask an approver to run: gatehouse requests approve ${request.id}`,
  });
}

function closedRefusal(request: ApprovalRequest): Refusal {
  if (request.state === 'denied') {
    const last = request.decisions.findLast((decision) => decision.verdict === 'deny');
    return refusal('approval-denied', `gatehouse: request ${request.id} was denied`, {
      ...(last ? { detail: `${last.approverName} denied it: ${last.reason}` } : {}),
      hint: 'Talk to the approver, then change the statement; a denial is final for this request.',
    });
  }
  return refusal('approval-expired', `gatehouse: request ${request.id} is ${request.state}`, {
    hint: 'Run the statement again to open a new request.',
  });
}

export function approversText(request: ApprovalRequest): string {
  const groups = request.approvers.length === 0 ? 'an approver' : `one of ${request.approvers.join(' and one of ')}`;
  return request.quorum > 1 ? `${request.quorum} people, at least ${groups}` : groups;
}

/** A policy's no, in words for the client. */
export function denialRefusal(denial: Extract<Decision, { effect: 'refuse' }>): Refusal {
  return refusal('policy-denied', `gatehouse: ${denial.reason}`, {
    ...(denial.policies.length > 0 ? { detail: `Decided by policy ${denial.policies.join(', ')}.` } : {}),
    hint: 'Ask the owners of the policy, or see which rules spoke with: gatehouse policy explain',
  });
}
