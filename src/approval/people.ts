import type { ApprovalDecision, ApprovalRequest } from '../model/approval.ts';
import type { Principal } from '../model/principal.ts';

/** All the names somebody goes by, and the person he acts for as his token says. */
interface Party {
  readonly id: string;
  readonly names: readonly (string | undefined)[];
  readonly sponsor: string | undefined;
}

/** Two sponsors are one person when they are written alike; letter case is the issuer's whim. */
const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const called = (sponsor: string | undefined, names: readonly (string | undefined)[]): boolean =>
  sponsor !== undefined && names.some((name) => name !== undefined && same(name, sponsor));

/** An e-mail address is one person at whatever issuer; other display names may be shared by strangers. */
const mailOf = ({ names }: Party): readonly string[] =>
  names.flatMap((name) => (name !== undefined && /^[^\s@]+@[^\s@]+$/.test(name) ? [name] : []));

/**
 * Whether the same human may stand behind both: himself, whoever acts for him, and whomever he acts for. `on behalf of` is a claim of
 * the issuer's making, so it is compared with every name a principal goes by. In doubt yes: then somebody else has to consent.
 */
function sameHuman(a: Party, b: Party): boolean {
  if (a.id === b.id || called(a.sponsor, b.names) || called(b.sponsor, a.names)) return true;
  if (a.sponsor !== undefined && b.sponsor !== undefined && same(a.sponsor, b.sponsor)) return true;
  const mails = mailOf(b);
  return mailOf(a).some((mail) => mails.some((other) => same(mail, other)));
}

function partyOf({ id, subject, name, onBehalfOf }: Principal): Party {
  return { id, names: [id, subject, name], sponsor: onBehalfOf };
}

function requesterOf(request: ApprovalRequest): Party {
  const { requester } = request.binding;
  return {
    id: requester,
    names: [requester, request.requesterSubject, request.requesterName],
    sponsor: request.onBehalfOf,
  };
}

function deciderOf({ approver, approverName, person }: ApprovalDecision): Party {
  return { id: approver, names: [approver, person?.subject, approverName], sponsor: person?.onBehalfOf };
}

/** The requester himself, whoever acts for him, and whomever he acts for: to the approval rules they are one person. */
export function isRequester(request: ApprovalRequest, principal: Principal): boolean {
  return sameHuman(requesterOf(request), partyOf(principal));
}

/** Whether the person behind `principal` has decided before, by himself or through somebody who acts for him. */
export function hasSpoken(request: ApprovalRequest, principal: Principal): boolean {
  const party = partyOf(principal);
  return request.decisions.some((decision) => sameHuman(deciderOf(decision), party));
}

/** Whether there is a human whose consent it would be: a program that acts for nobody is no second pair of eyes. */
export function hasHuman({ kind, onBehalfOf }: Pick<Principal, 'kind' | 'onBehalfOf'>): boolean {
  return kind === 'person' || onBehalfOf !== undefined;
}

/**
 * How many different humans stand behind these decisions. Those that do not say who (kept by a version that did not ask) are
 * one human together, and nobody new beside others.
 */
export function countHumans(decisions: readonly ApprovalDecision[]): number {
  const groups: Party[][] = [];
  let unknown = false;
  for (const decision of decisions) {
    if (decision.person === undefined) {
      unknown = true;
      continue;
    }
    if (!hasHuman(decision.person)) continue;
    const party = deciderOf(decision);
    // Somebody who is the same as two others makes all of them one.
    const known = groups.filter((group) => group.some((other) => sameHuman(other, party)));
    for (const group of known) groups.splice(groups.indexOf(group), 1);
    groups.push([...known.flat(), party]);
  }
  return groups.length === 0 && unknown ? 1 : groups.length;
}
