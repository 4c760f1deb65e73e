import type { ApprovalRequest, StatementUnmaskGrant, UnmaskGrant, UnmaskGrants } from '../model/approval.ts';
import { quorumMet } from './rules.ts';

export const NO_UNMASKS: UnmaskGrants = { key: '', grants: [], statements: [] };

/**
 * Consents to see labels unmasked, by principal and connection: for a while, or in one statement. Kept in memory, since every statement
 * asks; filled from the store at the start and told of every change. Uses are not counted here: the store takes them.
 */
export class Unmasks {
  readonly #clock: () => number;
  readonly #byHolder = new Map<string, UnmaskGrants>();
  /** Requests whose consent was taken back since the start. Sessions that run by an older one are gone. */
  readonly #withdrawn = new Set<string>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Takes over what became of a request. */
  note(request: ApprovalRequest): void {
    if (request.state === 'revoked') this.#withdrawn.add(request.id);
    const { unmask, requester, resource, stmt } = request.binding;
    if (unmask === undefined) return;
    const holder = holderOf(requester, resource);
    const { grants, statements } = this.#byHolder.get(holder) ?? NO_UNMASKS;
    const [others, otherStatements] = [without(grants, request.id), without(statements, request.id)];
    const grant = grantOf(request);
    this.#keep(
      holder,
      grant !== undefined && stmt === '' ? [...others, grant] : others,
      grant !== undefined && stmt !== ''
        ? [...otherStatements, { ...grant, binding: request.binding }]
        : otherStatements,
    );
  }

  /** What holds now; the same object as long as nothing changed. */
  current(principal: string, connection: string): UnmaskGrants {
    // Every message of every session asks, and mostly there is no such consent at all.
    if (this.#byHolder.size === 0) return NO_UNMASKS;
    const holder = holderOf(principal, connection);
    const known = this.#byHolder.get(holder);
    if (known === undefined) return NO_UNMASKS;
    const now = this.#clock();
    const holds = ({ notAfter }: UnmaskGrant): boolean => now <= notAfter;
    if (known.grants.every(holds) && known.statements.every(holds)) return known;
    return this.#keep(holder, known.grants.filter(holds), known.statements.filter(holds));
  }

  /** Consent to this request was taken back. */
  isWithdrawn(request: string): boolean {
    return this.#withdrawn.has(request);
  }

  #keep(holder: string, grants: readonly UnmaskGrant[], statements: readonly StatementUnmaskGrant[]): UnmaskGrants {
    if (grants.length === 0 && statements.length === 0) {
      this.#byHolder.delete(holder);
      return NO_UNMASKS;
    }
    const kept = { key: grants.map(({ request }) => request).join(' '), grants, statements };
    this.#byHolder.set(holder, kept);
    return kept;
  }
}

function without<T extends UnmaskGrant>(grants: readonly T[], request: string): readonly T[] {
  return grants.filter((grant) => grant.request !== request);
}

function holderOf(principal: string, connection: string): string {
  return JSON.stringify([principal, connection]);
}

/** Undefined when the request is no consent that can be used. */
function grantOf(request: ApprovalRequest): UnmaskGrant | undefined {
  const { id, binding, grant, state } = request;
  if (state !== 'approved' || grant === undefined || !quorumMet(request)) return undefined;
  const [policyVersion = ''] = binding.masks.split(' ');
  return {
    request: id,
    labels: binding.unmask ?? [],
    policies: binding.policies,
    policyVersion,
    notAfter: grant.notAfter,
  };
}
